"""f itself: the network as a function of its parameters, and its losses.

Comes in: φ from `base`, a variant's axes, batches from `sequences`. Goes out: a `Learner`, which
knows θ and the fixed parameters, and the losses of batches. Read `learner.py` first.
`language_model.py` calls the network and computes the loss at the replies. `next_utterance.py` is
the second head of TransferTransfo and P² Bot. `projection.py` is the head over the vocabulary.
`per_thread.py` lets several threads run one network. `self_check.py` lets a base prove itself, and
`trained.py` loads what training left.
"""

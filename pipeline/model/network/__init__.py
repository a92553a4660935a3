"""f itself: the network with given parameters, its losses and its gradients' seam.

Read `learner.py` first. `language_model.py` calls the network and computes the loss at the replies,
`next_utterance.py` is TransferTransfo's second head.
"""

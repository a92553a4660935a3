"""The learner f (Section 3.2): a language model, the parameters added to it, and its input.

Comes in: φ's folder, a variant's axes, dialogues. Goes out: losses, scores, responses and trained
tensors. Read `network/learner.py` first.

- `base/` loads φ; `pretraining/` makes it (stage `base`); `phi/` adds Φ.
- `network/` is f with its losses; `derivatives/` has its operations with hand-made derivatives.
- `sequences/` turns dialogues into batches; `inference/` scores candidates, generates responses.
- `files/` writes tensors and the record of a training run, `checkpoint/` interrupted runs;
  `trained/` loads a trained variant; `export/` makes a plain GPT-2 of it.
"""

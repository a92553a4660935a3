"""From a dialogue to tensors (Appendix A): token ids, windows, batches.

Comes in: dialogues of a `PersonaTask`. Goes out: padded batches with the positions to predict.
Read `encoding.py` first: it makes windows of ids. `batching.py` pads windows to a batch,
`branches.py` places distractors behind their dialogue, `masks.py` makes masks for attention.
"""

"""From a dialogue to tensors (Appendix A): token ids, windows, batches.

Comes in: dialogues of a `PersonaTask`. Goes out: padded batches with the positions to predict.
Read `encoding.py` first: it makes windows of ids. `formats.py` says which ids mark the segments,
`chat.py` takes them from a chat template, which `sandbox.py` renders safely. `batching.py` pads
windows to a batch, `branches.py` places distractors behind their dialogue, `masks.py` makes masks
for attention.
"""

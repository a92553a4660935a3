"""Checkpoints of long stages, so that an interrupted run resumes exactly.

Comes in: tensors and a small JSON state. Goes out: one file in `.checkpoints`, which the stage
deletes when its out is written. Read `checkpoint.py`.
"""

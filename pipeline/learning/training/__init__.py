"""What all ways of training share: the loop with Adam, validation and early stopping; its files.

Read `loop.py` first. `normal.py` is normal training (Section 4.2), `run.py` reads and writes a run.
"""

"""P² Bot's receiver: whether an utterance is about a persona's sentence.

In: the voices of `meetings.py` and φ. Out: `models/p2_receiver/seed-SEED/`. Read `network.py`
first, then `train.py`; `files.py` reads and writes.
"""

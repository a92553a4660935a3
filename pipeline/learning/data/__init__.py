"""What a training step sees: episodes (support and query sets), batches of replies, distractors.

In: persona tasks. Out: pieces of encoded dialogues, drawn by seed and step. Read `episodes.py`
first.
"""

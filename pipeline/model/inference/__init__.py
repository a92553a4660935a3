"""Scores and responses of f, without gradients (Section 4.1).

Comes in: f, its parameters and a window. Goes out: the NLL of replies (perplexity) and candidates
(Hits@1), and generated responses (F1). Read `reading.py` first: it runs the network over a window
and keeps its keys and values. `candidates.py` (with `prefix_tree.py`) and `responses.py` continue
from there. `normaliser.py` computes -log p(token) over the vocabulary.
"""

"""What a model says without learning: likelihoods, candidates (Hits@1), responses (F1).

`reading.py` runs the network and keeps its cache; `candidates.py` and `responses.py` use it.
"""

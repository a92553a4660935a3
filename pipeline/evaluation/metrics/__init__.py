"""Perplexity, Hits@1, F1 and the other metrics of Section 4.1. No torch.

In: Prediction records of one setting. Out: a number per metric. Read `all.py` first: it lists every
metric. docs/metrics.md defines them.
"""

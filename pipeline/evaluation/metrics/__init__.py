"""Perplexity, Hits@1, F1 and the rest, each a function of records (Section 4.1). No torch.

Read `all.py` first; docs/metrics.md defines each.
"""

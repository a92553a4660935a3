"""From a dialogue to tensors (Appendix A): token ids, windows, batches.

Read `encoding.py` first. `batching.py` pads, `branches.py` lets several continuations share
a prefix.
"""

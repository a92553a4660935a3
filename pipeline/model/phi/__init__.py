"""Φ, the parameters that Extra-place adds to φ (Section 3.1, Fig. 2).

Comes in: φ's network. Goes out: the network with Φ inserted, and the names of Φ's tensors. At the
start Φ leaves f's outputs exactly unchanged (Eq. 2). Read `insert.py`, then `bottleneck.py`, the
paper's own kind.
"""

"""Attention, GELU and cross-entropy with a first and a second derivative written by hand.

Comes in: tensors of a forward pass. Goes out: the same values as torch's own operations, with
cheap second derivatives. Read `README.md` first: it says when these operations are used, and which
test checks each.
"""

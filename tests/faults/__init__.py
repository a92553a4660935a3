"""Faults injected into the commands as a user runs them: `python -m tests.faults` runs all.

`registry.py` has the campaigns: each injects one kind of fault many times and counts what was lost.
Each module here adds its own; `test_campaigns.py` runs a few points of each within `make test`.
"""

"""Adaptation to an unseen persona at test (Section 4.2).

Read `adapt.py` first; `plan.py` says which replies make an update.
"""

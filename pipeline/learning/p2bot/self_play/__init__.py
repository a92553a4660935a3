"""Stage `p2_selfplay`: two copies talk, one learns from the rewards.

Read `training.py` first.
"""

"""A trained variant from its folder.

Comes in: `models/VARIANT/seed-SEED/` and `models/base`. Goes out: a `Learner`, ready to be adapted.
Read `load.py`. Training does not use this folder.
"""

"""φ from the folder that stage `base` wrote: configuration, weights, tokenizer.

Read `load.py` first.
"""

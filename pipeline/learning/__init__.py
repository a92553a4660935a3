"""Algorithms 1 and 2 and everything they are compared with.

`data/` draws episodes, `gradients/` differentiates a loss once, `inner/` is the inner loop, `meta/`
the outer loop (read `meta/reference.py` first), `training/` the loop that all training shares,
`finetuning/` the adaptation at test, `parallel/` threads and ranks, `p2bot/` P² Bot.
"""

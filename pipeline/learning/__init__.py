"""Algorithms 1 and 2 and everything they are compared with.

In: encoded persona tasks and a learner (f, θ and what is fixed). Out: trained θ with its history,
or θ̂ of unseen personas. Read `meta/reference.py` first. `task_loss/` draws episodes and
differentiates their losses, `inner/` is the inner loop, `meta/` the outer loop, `training/` normal
training and the loop that all training shares, `finetuning/` the adaptation at test, `p2bot/`
P² Bot.
"""

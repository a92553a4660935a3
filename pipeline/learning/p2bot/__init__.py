"""P² Bot (Liu et al. 2020), which Table 1 quotes: a receiver, and self-play with it as a judge.

In: persona tasks, φ, a trained variant (the transmitter). Out: a receiver, and the transmitter's θ
after self-play. `meetings.py` has the data of both. Read `receiver/train.py` (stage `p2_receiver`)
first, then `self_play/train.py` (stage `p2_selfplay`).
"""

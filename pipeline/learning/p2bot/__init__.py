"""P² Bot (Liu et al. 2020), which Table 1 quotes: a receiver and self-play.

`meetings.py` lets two personas meet. `receiver/` is stage `p2_receiver`, `self_play/` stage
`p2_selfplay`.
"""

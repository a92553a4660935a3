"""P² Bot's self-play: two copies of the transmitter talk, one of them learns from the rewards.

In: a transmitter and a receiver. Out: the transmitter's θ after self-play. Read `game.py` first:
one step. `conversations.py`, `transcript.py` and `sampling.py` make the talk, `judges.py` and
`rewards.py` its rewards; `train.py` puts a run together.
"""

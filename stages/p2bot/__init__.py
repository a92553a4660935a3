"""P² Bot's two stages: `python -m stages.p2_receiver`, `python -m stages.p2_selfplay`."""

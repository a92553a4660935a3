"""Questions beside the pipeline, each with a command of its own. No torch.

- `simulation.py`, `population.py`: how often intervals and tests are right (`stages.simulate`).
- `tuning.py`: a grid search on valid (`stages.tune`).
- `conflict.py`: the gain of meta-learning against the dial for conflict (`stages.conflict`).
- `convai2.py`: floors on ConvAI2's validation set (`stages.convai2`).
- `schemas.py`: the JSON files that these commands write.
"""

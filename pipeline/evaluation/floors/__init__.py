"""Stage `floors`: scores that need no learning of ours, below the variants. No torch.

In: the train and test tasks, the base's tokenizer, the synthetic grammar's probabilities. Out:
`metrics/details/floors.json`. Read `measure.py` first.
"""

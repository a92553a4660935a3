"""Stage `finetune`: adapt to each unseen persona, then score and answer its query replies.

In: a trained variant and the valid and test tasks. Out: Prediction records. Read `persona.py`
first: it has all that is predicted for one persona. `protocols.py` says which dialogues are support
and which are query, `folds.py` adapts, `replies.py` asks the model.
"""

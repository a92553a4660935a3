"""Fine-tuning on an unseen persona at test (Section 4.2), the same for every variant.

In: a trained learner and the support dialogues of folds. Out: each fold's θ̂ after each epoch. Read
`updates.py` first; `plan.py` says which replies make an update.
"""

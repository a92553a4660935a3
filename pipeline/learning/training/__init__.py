"""The loop that all training shares with its Adam, normal training, a variant's run.

In: a start (θ), a step that adds a gradient, a validation. Out: the best θ with its history. Read
`loop.py` first. `normal.py` is normal training (Section 4.2), `supervised.py` its step,
`history.py` and `cost.py` what is recorded of a step, `variant_run.py` reads and writes files.
"""

"""Controls that no stage runs: no fine-tuning, the support's own loss, equal budgets.

`zero_shot.py` scores a variant without fine-tuning (`python -m stages.zero_shot`), `support_fit.py`
measures the loss on the support dialogues themselves (`python -m stages.support`), and `budget.py`
counts how many replies a way of training sees (`python -m stages.budget`).
"""

"""∇L of tasks' losses, and products with their Hessian.

In: θ by name (`theta.py`) and a batch. Out: losses and gradients by name, per task. Read
`loss_gradients.py` first. `tied_rows.py` saves memory traffic for the tied table, `accumulate.py`
adds gradients up, `distances.py` measures ‖θ - θ'‖.
"""

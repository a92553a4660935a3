"""The loss of a task and its gradient: from dialogues to L(T_i) and ∇L(T_i).

In: encoded persona tasks, a learner and θ by name (`theta.py`). Out: losses and gradients by name,
per task, and products with the Hessian. Read `episodes.py` first: it draws tasks, support and query
sets by seed and step. `next_utterance.py` draws distractors. `loss_gradients.py` differentiates.
`tied_rows.py` saves memory traffic for the tied table, `accumulate.py` adds gradients up,
`distances.py` measures ‖θ - θ'‖, `memory.py` says what a step needs.
"""

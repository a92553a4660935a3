"""The inner loop: θ̂ = θ - α ∇L(f_θ) on a task's support set (Alg. 1 lines 5-6, Alg. 2 lines 6-7).

In: θ and a task's support batches. Out: θ̂. Read `adapt.py` first. `inner_loop.py` has the settings,
`inner_step.py` one step and the way back through it, `inner_optimizers.py` its direction,
`task_batch.py` the tasks of one pass, `validation.py` the loss before and after adaptation.
"""

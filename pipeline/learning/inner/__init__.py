"""The inner loop: θ̂ = θ - α ∇L(f_θ) on a task's support set (Alg. 1 lines 5-6, Alg. 2 lines 6-7).

Read `adapt.py` first. `inner_step.py` is one step and the way back through it, `inner_rates.py`
is α, `validation.py` is the loss before and after adaptation.
"""

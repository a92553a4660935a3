"""∇L of a loss, once: by tensor, by task, added up.

Read `loss_gradients.py` first.
"""

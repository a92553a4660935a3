"""The outer loop: θ ← θ - β ∇ Σ L_i(f_θ̂_i) (Alg. 1 line 8, Alg. 2 line 9).

In: a learner, encoded tasks, the "Require" lines. Out: the best θ with its history, and what
fine-tuning must know of α. Read README.md first, then `reference.py`.
"""

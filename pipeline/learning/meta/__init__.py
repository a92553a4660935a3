"""The outer loop: θ ← θ - β ∇ Σ L_i(f_θ̂_i) (Alg. 1 line 8, Alg. 2 line 9).

Read README.md first.
"""

"""Operations with a first and a second derivative by hand.

README.md gives the formulas' places. Each is checked against autograd in `tests/equivalence`.
"""

"""Stage `compare`: paired tests between variants, corrected for their number. No torch.

In: the Prediction records of every variant, and the claims of params.yaml. Out:
`metrics/details/comparison.json`. Read `compare.py` first: it runs `levels.py` (who ends better)
`adaptation.py` (whose adaptation is larger) and `at_k.py` (both at each K, and every variant
against its controls). `families.py` has the pairs and the correction,
`paired.py` the test itself; docs/statistics.md says what each number covers.
"""

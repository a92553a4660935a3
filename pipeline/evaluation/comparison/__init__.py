"""Stage `compare`: paired tests between variants, corrected for their number. No torch.

In: the Prediction records of every variant, and the claims of params.yaml. Out:
`metrics/details/comparison.json`. Read `compare.py` first: it runs `levels.py` (who ends better)
and `adaptation.py` (whose adaptation is larger). `families.py` has the pairs and the correction,
`paired.py` the test itself; docs/statistics.md says what each number covers.
"""

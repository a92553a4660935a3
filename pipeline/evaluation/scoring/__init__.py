"""Stage `score`: one variant's Table 1, Fig. 3 and details. No torch.

In: the Prediction records of one variant. Out: `metrics/VARIANT.json`, `metrics/kshot/VARIANT.csv`
and `metrics/details/VARIANT.json`. Read `details.py` first; `adaptation.py` has the gain and the
swap control.
"""

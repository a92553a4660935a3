"""Stage `score`: one variant's Table 1, Fig. 3 and details. No torch.

Read `details.py` first. `adaptation.py` has the gain and the swap control.
"""

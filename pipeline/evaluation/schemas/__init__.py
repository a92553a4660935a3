"""The JSON files under `metrics/`: one model per file, for the writer and the reader. No torch.

Stages `score`, `compare` and `floors` write these files. Stage `report` and
`python -m stages.table` read them. Read `base.py` first, then `details.py`.
"""

"""What commands share. Nothing here can change a number.

Read `console.py` first: it runs a command and prints its errors. `progress/` shows how far work is,
`launch.py` starts ranks, `side_by_side.py` and `dvc_pipeline.py` run stages at the same time,
`trial.py` runs a tuning trial.
"""

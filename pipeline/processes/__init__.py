"""How work is spread and resumed.

In: independent jobs. Out: their results, in order, whatever the number of processes. Read
`workers.py` first. `journal.py` keeps finished jobs, `device.py` and `cores.py` say what the
machine has, `code.py` and `fingerprint.py` name the code and inputs of a run.

Nothing here can change a number but by rounding, so no stage of dvc.yaml depends on it.
"""

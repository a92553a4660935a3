"""How work is spread and resumed.

In: independent jobs. Out: their results, in order, whatever the number of processes. Read
`workers.py` first: jobs over processes of one machine. `ranks.py` are the processes of torchrun,
`jobs_over_ranks.py` spreads jobs over them, `over_threads.py` a step's tasks over threads.
`journal.py` keeps finished jobs, `device.py`, `cores.py` and `memory.py` say what the machine has,
`code.py` and `fingerprint.py` name the code and inputs of a run.

Nothing here can change a number but by rounding, so no stage of dvc.yaml depends on it.
"""

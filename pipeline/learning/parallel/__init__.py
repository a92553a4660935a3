"""A step's tasks on threads, `over_threads.py`, and on processes, `ranks.py`; jobs, `over_jobs.py`.

In: tasks or jobs and a function of one. Out: the same results as one thread of one process gives.
Read `over_threads.py` first.
"""

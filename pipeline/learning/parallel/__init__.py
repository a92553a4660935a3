"""A step's tasks on threads, `over_threads.py`, and on processes, `ranks.py`.

In: tasks and a function of a task. Out: the same results as one thread of one process gives. Read
`over_threads.py` first.
"""

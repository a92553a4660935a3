"""Work that takes a while shows itself: a bar on a terminal, a line now and then elsewhere.

Read `shown.py` first: it is the one way to show progress. `pace.py` says how fast work is and how
long it will take, `lines.py` writes and finds the lines. Nothing of this enters an out.
"""

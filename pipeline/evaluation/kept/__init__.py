"""Studies that are kept in git. No torch.

In: a finished run, or a folder of `studies/`. Out: the slim study; and, by `documents/`, its
README.md and `docs/results.md`. Read `keep.py` first (what is kept), then `study.py` (how it is
read again). `python -m stages.study` is the command.
"""

"""Studies that are kept in git, and the documents that are made of them. No torch.

In: a finished run, or a folder of `studies/`. Out: the slim study, its README.md, and
`docs/results.md`. Read `keep.py` first (what is kept), then `pages.py` (what is made of it).
`python -m stages.study` is the command.
"""

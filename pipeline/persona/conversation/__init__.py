"""A conversation of one person: the documented input format (docs/corpora.md), and its tidying.

Comes in: what a reader found. Goes out: a conversation whose sides alternate. `record.py` is the
format, `tidy.py` joins, cuts and drops messages, `tally.py` counts what is left out and why.
"""

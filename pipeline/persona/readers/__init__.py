"""Readers of the formats that people have conversations in (docs/corpora.md).

Comes in: a file, a folder or a pattern. Goes out: conversations, one at a time. `recognise.py` says
which reader a path is for, `reader.py` what a reader is. Every other file is a format; what they
share is in `shared/`.
"""

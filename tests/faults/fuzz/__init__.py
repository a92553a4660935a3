"""Hostile files, mutated as coverage guides: `python -m tests.faults.fuzz TARGET --seconds 600`.

`target.py` says what is right: a value, or one printable line of our own error, soon, with nothing
written elsewhere. The other modules have the targets: what a stranger may send, as bytes, and how a
command reads it. tests/properties/fuzz/ runs the same targets within `make test`.
"""

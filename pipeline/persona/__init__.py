"""Persona-chat as tasks (Section 4): one persona is one task. No torch.

Comes in: a corpus, by name, path or URL. Goes out: `PersonaTask` records. Read `task/record.py`
first: it is the record that all later stages read. `corpus/` fetches the files, and `synthetic/`
writes some by a grammar. `readers/` reads other formats into the conversations of `conversation/`.
`tasks/` turns all of them into tasks with candidates. `task/text.py` says which replies are equal
and what a word is.
"""

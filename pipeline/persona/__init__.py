"""Persona-chat as tasks (Section 4): one persona is one task.

`task.py` is the record that all later stages read. `corpus/` fetches the text files, `synthetic/`
writes such files by a grammar, `tasks/` turns them into tasks with candidates.
"""

"""Stage `tasks`: one task for each persona.

Comes in: the text files in `data/raw`. Goes out: `PersonaTask` records and `summary.json` in
`data/tasks`. Read `build.py` first. `parser.py` reads the text, `grouping.py` groups dialogues by
persona, `candidates.py` makes the candidate sets, `summary.py` counts the records and their leaks,
`known_counts.py` checks the counts of known corpora.
"""

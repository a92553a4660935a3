"""Stage `tasks`: one task for each persona.

Comes in: the files in `data/raw`. Goes out: `PersonaTask` records and `summary.json` in
`data/tasks`. Read `build.py` first. `parser.py` reads Persona-chat's text, `conversations.py` any
other corpus, `grouping.py` groups dialogues by persona, `held_out.py` draws fresh test people,
`candidates.py` makes the candidate sets, `summary.py` counts the records and their leaks,
`known_counts.py` checks the counts of corpora that are known.
"""

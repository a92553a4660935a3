"""Stage `tasks`: from the text files in `data/raw` to PersonaTask records in `data/tasks`.

Read `build.py` first. `parser.py` reads the text, `grouping.py` finds the personas, `candidates.py`
completes the candidate sets, `summary.py` counts what was found.
"""

"""Stage `report` and the terminal's tables: rows, tables, the page and its charts. No torch.

In: `metrics/`, tasks and predictions for the samples, and `variant.json` and `history.csv` of the
training runs. Out: the files of `report/` as bytes. Read `files.py` first. `rows.py` has the rows
that the terminal shows too, `tables.py` all tables as cells, `formats.py` the headings and digits
of every metric, `cells.py` how a number looks. `charts/` draws, `page/` writes the page.
"""

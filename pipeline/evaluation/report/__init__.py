"""Stage `report` and the terminal's tables: rows, figures, the document. No torch.

In: `metrics/`, and `variant.json` and `history.csv` of the training runs. Out: Markdown and SVG as
text. Read `document.py` first. `rows.py` has the rows that the terminal shows too, `formats.py` the
headings and digits of every metric, `cells.py` how a number looks.
"""

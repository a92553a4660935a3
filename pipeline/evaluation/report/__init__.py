"""Stage `report` and the terminal's tables: rows, figures, the document. No torch.

Read `document.py` first. `rows.py` has the headings and digits of every table.
"""

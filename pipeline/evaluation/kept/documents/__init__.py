"""The documents that are made of kept studies. No torch.

In: a study's folder and its `about.md`, or the template of `docs/results.md`. Out: Markdown. Read
`pages.py` first (what a template may ask), then `quote.py` (single numbers in a sentence);
`tables.py`, `curve.py` and `shot_tables.py` make the tables, `wrap.py` wraps the paragraphs.
"""

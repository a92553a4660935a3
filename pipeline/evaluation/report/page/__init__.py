"""The page `report/index.html`: one file, no network. No torch.

`page.py` puts it together from parts that say one thing each: `overview.py` (what the run shows and
does not), `settings.py` (what differs from the paper), `leaks.py`, `samples.py`, `drawn.py` (charts
with their tables). `page.html.j2` is the template, `page.css` and `page.js` stand in it. Words of
strangers are escaped by the template engine, and `strangers.py` shows their control characters.
"""

"""Charts by matplotlib: what is drawn, how it looks, the bytes. No torch.

Read `chart.py` first (what a chart is), then `figures.py` (which charts there are). `draw.py`
draws, `look.py` has colours and settings, `files.py` makes SVG and PDF of a drawing. The same
values give the same bytes, on any host and at any time.
"""

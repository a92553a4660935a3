"""The faces of `python -m stages.chat`: `terminal.py`, and `web.py`, a local page by gradio.

`adapting.py` adapts with progress, `words.py` has what both say and save.
"""

"""Appendix C: contexts and what every variant says there. No torch.

`samples.py` has contexts, responses and the draw; `sampled.py` reads a few of large files for the
page. `python -m stages.samples` shows more.
"""

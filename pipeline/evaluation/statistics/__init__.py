"""Intervals over personas and seeds, paired tests, the verdict on an adaptation. No torch.

Read `bootstrap.py` first; docs/statistics.md says what each covers.
"""

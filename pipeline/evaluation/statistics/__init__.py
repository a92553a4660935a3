"""Intervals over personas and seeds, for stages `score` and `compare`. No torch.

In: Prediction records, or one value per persona. Out: estimates with their intervals. Read
`bootstrap.py` first; docs/statistics.md says what each interval covers.
"""

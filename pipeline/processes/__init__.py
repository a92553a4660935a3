"""How work is spread and resumed: device, workers, journal, a run's fingerprint.

Nothing here can change a number but by rounding, so no stage of dvc.yaml depends on it.
"""

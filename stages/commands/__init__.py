"""Commands that are no stages: `python -m stages.NAME`."""

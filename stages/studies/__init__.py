"""Commands that answer a question beside the pipeline: `python -m stages.NAME`."""

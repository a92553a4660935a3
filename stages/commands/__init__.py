"""Commands that are no stages: `python -m stages.NAME`.

`preset` puts parameters in force, `repro` runs the pipeline, `table` and `samples` show results,
`export` hands a trained variant on.
"""

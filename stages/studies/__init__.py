"""Commands that answer a question beside the pipeline: `python -m stages.NAME`.

`tune`, `rates` and `budget` make fair baselines, `shots` scores test after K dialogues by what
`rates` has chosen, `conflict` draws study `conflict` of it. `support`, `zero_shot` and `convai2`
measure a trained variant in other ways, `simulate` checks the statistics, `study` keeps a run and
makes documents.
"""

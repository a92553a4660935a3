"""Commands that answer a question beside the pipeline: `python -m stages.NAME`.

`tune` and `budget` make fair baselines. `support`, `zero_shot` and `convai2` measure a trained
variant in other ways, `simulate` checks the statistics, `study` keeps a run and makes documents.
"""

"""From a trained variant to Table 1, Fig. 3, tests and the report (Sections 4.1 to 4.3).

In: models, tasks and parameters. Out: `predictions/`, `metrics/` and `report/`. In the order of the
data:

- `records/`: the Prediction record and what a metric is. Read this first.
- `predict/`: stage `finetune`, which writes the records. It needs torch, as `controls/` does.
- `metrics/`, `statistics/`: numbers from records, and their intervals.
- `schemas/`: the JSON files under `metrics/`, for their writers and readers.
- `scoring/`, `comparison/`, `floors/`, `report/`: stages `score`, `compare`, `floors` and `report`.
- `controls/`, `studies/`, `kept/`: commands beside the pipeline.
"""

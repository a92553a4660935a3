"""From a trained variant to Table 1, Fig. 3, tests and the report (Sections 4.1 to 4.3).

`predict/` writes Prediction records, `records/` defines them, `metrics/` and `statistics/` compute
from them, `scoring/`, `comparison/`, `floors/` and `report/` are the stages of these names.
"""

"""What `finetune` and `score` share: the record, metrics as sums, the headline epoch. No torch.

`prediction.py` has the Prediction record, `metric.py` what a metric is, `headline.py` which records
a number is computed over. Read `prediction.py` first.
"""

"""The record of one training run, `models/VARIANT/seed-SEED/variant.json`. No torch.

Comes in: counts and parameters of a training run, or the file. Goes out: a `VariantFile`.
Read `record.py`. Training writes the record; fine-tuning, the report and `stages.budget` read it.
"""

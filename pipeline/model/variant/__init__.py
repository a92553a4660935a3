"""The record of one training run, `models/VARIANT/seed-SEED/variant.json`. No torch.

Comes in: what a training run knows of itself, or the file. Goes out: a `VariantFile`.
Read `record.py`. Training writes the record; fine-tuning, the report and `stages.budget` read it.
"""

"""`models/VARIANT/seed-SEED/`: the record beside the tensors, loading it, exporting it."""

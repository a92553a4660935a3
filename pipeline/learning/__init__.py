"""Normal training, meta-training and fine-tuning (Section 3.1, 4.2)."""

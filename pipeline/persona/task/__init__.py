"""What a task is made of: `record.py` is the record T_i, `text.py` says which replies are equal."""

"""Programs that an export holds: they use `transformers` and know nothing of this project.

`personalize.py` adapts an exported model to a person. `conversations.py` and `json_lines.py` read
the person's file, `exported_model.py` loads, encodes and scores. `bottlenecks.py` loads a model
with bottlenecks.
"""

"""Programs that an export holds: they use `transformers` and know nothing of this project.

`personalize.py` adapts an exported model to a person. `exported_model.py` is what it uses: loading,
encoding, the loss. `bottlenecks.py` loads a model with bottlenecks.
"""

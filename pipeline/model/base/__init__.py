"""φ from a Hugging Face folder: configuration, weights, tokenizer.

Comes in: `models/base`, or any folder of the same layout. Goes out: a GPT-2 and its tokenizer.
Read `load.py` first. `huggingface_folder.py` reads and writes the model, `tokenizer.py` the
tokenizer with the six special tokens. Nothing here trains: that is `pipeline.model.pretraining`.
"""

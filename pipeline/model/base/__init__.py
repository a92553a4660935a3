"""φ from a Hugging Face folder: configuration, weights, tokenizer.

Comes in: `models/base`, any folder of the same layout, or a .gguf file. Goes out: a causal language
model of `transformers` and its tokenizer. Read `load.py` first, which others use.
`configuration.py` and `weights.py` say what of a stranger's files is taken,
`huggingface_folder.py` reads and writes the model, `gguf_file.py` reads the other form,
`tokenizer.py` and `lossless.py` the tokenizer, `special_tokens.py` names ours, `vocabulary.py` cuts
and adds rows, and `architecture.py` is the seam to the learner. Nothing here trains: that is
`pipeline.model.pretraining`.
"""

"""What training runs leave on disk: named tensors, and the record beside them.

Comes in: a dictionary of tensors, or counts and parameters of a run. Goes out: a safetensors file
or a `VariantFile`, and back. Read `tensors.py`, then `variant_record.py`, which needs no torch.
Neither do those that look at a stranger's files before they are used: `tokenizer_growth.py`,
`layers.py`, `rotary_numbers.py`, `gguf_header.py`, `gguf_facts.py` and `gguf_words.py`.
"""

"""Stage `base`: φ is pre-trained here, or comes from a folder, a .gguf file or the hub.

Comes in: `base.*` of `params.yaml` and `data/pretrain.txt`. Goes out: `models/base`, a Hugging Face
folder with the special tokens, and the facts in `base.json`. Read `build.py` first. `text.py`
splits and encodes the text, `pretrain.py` trains, `heldout.py` scores, `hub.py` downloads.
"""

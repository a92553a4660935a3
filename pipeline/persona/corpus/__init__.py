"""Stage `download`: the corpus's text files and the text for pre-training.

Comes in: `data.*` of `params.yaml`: a name, a path, a URL or an archive. Goes out: the text file of
each split in `data/raw`, and `data/pretrain.txt`. Read `source.py` first. `http.py` downloads,
`archive.py` unpacks safely.
"""

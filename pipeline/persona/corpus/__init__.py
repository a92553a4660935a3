"""Stage `download`: from a path, a URL or an archive to the text files in `data/raw`.

Read `source.py` first. `http.py` downloads, `archive.py` unpacks safely.
"""

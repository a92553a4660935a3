"""Stage `base`: φ pre-trained here, from a folder or from the hub, written to `models/base`.

Read `build.py` first.
"""

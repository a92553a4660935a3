"""Named tensors on disk.

Comes in: a dictionary of tensors. Goes out: a safetensors file, and back. Read `tensors.py`.
"""

"""Tensors on disk: safetensors files, and the checkpoints of long stages."""

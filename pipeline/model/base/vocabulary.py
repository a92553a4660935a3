"""The rows of the vocabulary: padding cut off, the special tokens' rows added.

A published model may have more rows than its tokenizer has entries. They are cut, so that the six
special tokens follow the tokenizer's own entries. Each of the six is the mean of the others, in the
embedding, in a head of its own, and in that head's bias.
"""

from typing import Any

import torch

from pipeline.errors import ModelError


def cut_padding(model: Any, entries: int, origin: str) -> int:
    """Cut a model's rows beyond the tokenizer's entries.

    Args:
        model: changed in place.
        entries: of the tokenizer.
        origin: where the model comes from, for errors.

    Returns:
        How many rows were cut.

    Raises:
        ModelError: the model has fewer rows than the tokenizer has entries.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    if rows < entries:
        raise ModelError(
            f"{origin}: the embedding has {rows} rows and the tokenizer {entries} entries; give "
            "model and tokenizer of one kind"
        )
    if rows > entries:
        _resize(model, entries)
    return int(rows - entries)


def add_mean_rows(model: Any, size: int, entries: int) -> None:
    """Append rows `size` to `entries` to a model of `size` rows, each the mean of those."""
    parts = [model.get_input_embeddings(), model.get_output_embeddings()]
    means = [part.weight.double().mean(dim=0).float() for part in parts]  # (H,) each
    bias = getattr(parts[1], "bias", None)
    mean_bias = None if bias is None else bias.double().mean().float()
    _resize(model, entries)
    parts = [model.get_input_embeddings(), model.get_output_embeddings()]
    with torch.no_grad():
        for part, mean in zip(parts, means, strict=True):
            part.weight[size:] = mean
        if mean_bias is not None:
            parts[1].bias[size:] = mean_bias


def _resize(model: Any, rows: int) -> None:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model.resize_token_embeddings(rows, mean_resizing=False)

"""The rows of the vocabulary and the tokenizer's entries: both made to fit.

A published model may have more rows than its tokenizer has entries. They are cut, so that the six
special tokens follow the tokenizer's own entries. A published tokenizer may have added tokens at
its end that the model has no rows for, as Gemma 3's text models do. They are dropped. Each of the
six is the mean of the others, in the embedding, in a head of its own, and in that head's bias.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from tokenizers import Tokenizer

from pipeline.errors import ModelError, one_line
from pipeline.model.base.special_tokens import SPECIAL_TOKENS


MOST_HOLES = 1_000_000  # `tokenizers` keeps each as it writes a tokenizer: a billion take 4 GB


def refuse_holes(vocabulary: Mapping[str, int], origin: object, most: int = 0) -> None:
    """Refuse ids that leave more than so many unused, and two entries of one id.

    Raises:
        ModelError: says how many entries there are, and the highest id.
    """
    highest = max(vocabulary.values(), default=-1)
    if not vocabulary or not 0 <= highest + 1 - len(vocabulary) <= most:
        raise ModelError(
            f"{origin}: the tokenizer has {len(vocabulary)} entries and ids up to {highest}; ids "
            "without holes are needed"
        )


def without_rowless(
    backend: Tokenizer, rows: int, needed: Iterable[str]
) -> tuple[Tokenizer, list[str]]:
    """Drop the added tokens that a model has no rows for, if they are the last entries.

    Args:
        backend: as its files have it.
        rows: of the model.
        needed: names of tokens, and texts that hold names, which must all stay.

    Returns:
        The tokenizer, and the names of the dropped tokens in the order of their ids; itself and
        none if an entry of the base vocabulary lacks a row, a dropped token is needed, or the
        special tokens are among the entries.
    """
    values = json.loads(backend.to_str())
    base = backend.get_vocab(with_added_tokens=False)
    added = {t["content"]: t["id"] for t in values["added_tokens"] if t["content"] not in base}
    rowless = sorted((n for n, number in added.items() if number >= rows), key=added.__getitem__)
    texts = [*needed, json.dumps(values["post_processor"], ensure_ascii=False)]
    if (
        not rowless
        or max(base.values(), default=-1) >= rows
        or SPECIAL_TOKENS[0] in added
        or any(name in text for name in rowless for text in texts)
    ):
        return backend, []
    gone = {*rowless}
    values["added_tokens"] = [t for t in values["added_tokens"] if t["content"] not in gone]
    return Tokenizer.from_str(json.dumps(values)), rowless


def cut_padding(model: Any, entries: int, origin: str) -> int:
    """Cut a model's rows beyond the tokenizer's entries.

    Args:
        model: changed in place.
        entries: of the tokenizer.
        origin: where the model comes from, for errors.

    Returns:
        How many rows were cut.

    Raises:
        ModelError: the model has fewer rows than the tokenizer has entries, or its class cannot be
            given other rows.
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
    """Append rows `size` to `entries` to a model of `size` rows, each the mean of those.

    Raises:
        ModelError: the model's class cannot be given other rows.
    """
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
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            model.resize_token_embeddings(rows, mean_resizing=False)
    except Exception as error:  # a class may fail where it draws new rows, as xLSTM's does
        raise ModelError(
            f"{model.config.model_type}: its tables take no other number of rows "
            f"({one_line(error)}); this architecture can't be the base"
        ) from error

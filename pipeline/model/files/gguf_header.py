"""The header of a .gguf file, before a reader makes objects of it: is it as long as a model's?

Readers make some objects of every element of an array, and `transformers` tries every way to divide
a token in two. So a short file could take minutes and all memory. Nothing but lengths is read here.
"""

from collections.abc import Mapping
from pathlib import Path
from struct import calcsize, unpack
from typing import Any, BinaryIO

from pipeline.errors import ModelError, one_line
from pipeline.model.files.layers import MOST_LAYERS


# Sizes in bytes by the format's numbers of types; 8 is a text, 9 an array.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TEXT, _ARRAY = 8, 9

_TOKENS = "tokenizer.ggml.tokens"
_TEXTS = (_TOKENS, "tokenizer.ggml.merges")
_OF_TOKENS = ("tokenizer.ggml.scores", "tokenizer.ggml.token_type")
_MOST_ELEMENTS = 10_000  # of other arrays: languages, one number for each layer
_LONGEST = 4_000  # bytes of a text in an array; published tokens have some hundred


def refuse_long_header(path: Path) -> None:
    """Refuse a file whose header has longer arrays, or texts in them, than a model's has.

    Raises:
        ModelError: names the array, its length and what is allowed.
        Exception: the header is cut short, or is no header.
    """
    lengths: dict[str, int] = {}
    with path.open("rb") as file:
        file.seek(4)
        version = file.read(4)
        order = ">" if version[:2] == b"\0\0" else "<"
        _, count = _numbers(file, f"{order}QQ")
        for _ in range(count):
            (length,) = _numbers(file, f"{order}Q")
            name = file.read(length).decode(errors="replace")
            (kind,) = _numbers(file, f"{order}I")
            if kind == _ARRAY:
                lengths[name] = _array(file, order, name, path)
            elif kind == _TEXT:
                (length,) = _numbers(file, f"{order}Q")
                file.seek(length, 1)
            else:
                file.seek(_SIZES[kind], 1)
    for name in _OF_TOKENS:
        _refuse_more(lengths.get(name, 0), lengths.get(_TOKENS, 0), name, path)


def _array(file: BinaryIO, order: str, name: str, path: Path) -> int:
    """Pass over an array and return how many elements it has."""
    kind, length = _numbers(file, f"{order}IQ")
    if kind == _ARRAY or (name in _TEXTS and kind != _TEXT):
        raise ModelError(
            f"{path}: {one_line(name, 60)} is no list of {'texts' if name in _TEXTS else 'values'} "
            f"(type {kind}); fetch it again"
        )
    if name not in (*_TEXTS, *_OF_TOKENS):
        _refuse_more(length, _MOST_ELEMENTS, name, path)
    if kind != _TEXT:
        file.seek(_SIZES[kind] * length, 1)
        return length
    for _ in range(length):
        (size,) = _numbers(file, f"{order}Q")
        if size > _LONGEST:
            raise ModelError(
                f"{path}: a text of {one_line(name, 60)} has {size:,} bytes, at most {_LONGEST:,} "
                "are read; fetch it again, or give a folder with safetensors"
            )
        file.seek(size, 1)
    return length


def _refuse_more(length: int, most: int, name: str, path: Path) -> None:
    if length > most:
        raise ModelError(
            f"{path}: {one_line(name, 60)} has {length:,} elements, at most {most:,} are read; "
            "fetch it again, or give a folder with safetensors"
        )


def _numbers(file: BinaryIO, form: str) -> tuple[int, ...]:
    """Read whole numbers.

    Raises:
        struct.error: the file ends before.
    """
    return unpack(form, file.read(calcsize(form)))


def refuse_other_blocks(facts: Mapping[str, Any], names: list[str], path: Path) -> None:
    """Refuse a file that says it has more layers than its tensors are of, or more than is sane.

    Args:
        facts: of the file by name. `transformers` takes another architecture's too.
        names: of the file's tensors, e.g. `blk.0.attn_q.weight`.
        path: the file, for errors.

    Raises:
        ModelError: names the fact and how many layers the tensors are of.
    """
    blocks = {name.split(".")[1] for name in names if name.startswith("blk.")}
    for name, value in facts.items():
        if name.partition(".")[2] != "block_count":
            continue
        if type(value) is not int or value > len(blocks):
            raise ModelError(
                f"{path}: {one_line(name, 60)} is {one_line(repr(value), 60)}, and the tensors are "
                f"of {len(blocks)} layers; fetch it again"
            )
    if len(blocks) > MOST_LAYERS:
        raise ModelError(
            f"{path}: the tensors are of {len(blocks):,} layers, at most {MOST_LAYERS} are read; "
            "give a folder with safetensors"
        )


def refuse_other_sizes(tensors: list[Any], numbers: int, path: Path) -> None:
    """Refuse a file whose facts make a larger model than its tensors, or whose tensors overlap.

    A tensor may be missing here: which one is said when the others are read.

    Args:
        tensors: of the file, as the `gguf` package reads its header.
        numbers: how many the model has that is made of the file's facts.
        path: the file.

    Raises:
        ModelError: names how many there are and how many were expected.
    """
    size, claimed = path.stat().st_size, sum(int(tensor.n_bytes) for tensor in tensors)
    if claimed > size:
        raise ModelError(
            f"{path}: the tensors have {claimed:,} bytes, the file {size:,}; fetch it again"
        )
    held = sum(int(tensor.n_elements) for tensor in tensors)
    if numbers > 2 * held:
        raise ModelError(
            f"{path}: the facts (embedding_length, vocab_size and others) make a model of "
            f"{numbers:,} numbers, and the tensors hold {held:,}; fetch it again"
        )

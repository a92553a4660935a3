"""The text that φ is pre-trained on: documents, the held-out part, token ids.

The format is that of dialogues without special tokens (Appendix A's ablation): every line is a
segment with a leading space, a newline joins the lines of a document, `<|endoftext|>` joins
documents. The text is read as a stream, so it may be larger than memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from pipeline.errors import DataError, MissingFileError, ModelError
from pipeline.model.base.tokenizer import END_OF_TEXT


Ids = NDArray[np.uint32]
Line = tuple[bool, str]  # (starts a document, text without surrounding blanks)

_LINES_AT_ONCE = 8192


@dataclass(frozen=True)
class TextPart:
    """Bytes `start` to `stop` of a text file: whole documents."""

    path: Path
    start: int
    stop: int
    boundary: str  # the line that separates documents

    @property
    def num_bytes(self) -> int:
        """Size as UTF-8, line ends and boundaries included."""
        return self.stop - self.start

    def lines(self) -> Iterator[Line]:
        """Yield the lines that are not blank, in order."""
        first = True
        for _, text in _read(self.path, self.start, self.stop):
            if text == self.boundary:
                first = True
            elif text:
                yield first, text
                first = False


def split_text(path: Path, holdout: float) -> tuple[TextPart, TextPart]:
    """Split a text into the part to train on and the part held out.

    Documents end at `<|endoftext|>` lines, or at blank lines in a text without such lines. The
    held-out part is the last whole documents that make up at least `holdout` of the bytes.

    Args:
        path: the text.
        holdout: share of the bytes, in (0, 1).

    Raises:
        MissingFileError: the file does not exist.
        DataError: the text is not UTF-8.
        ModelError: the text is empty, or no document ends before the held-out part.
    """
    if not path.is_file():
        raise MissingFileError(path, "download")
    size = path.stat().st_size
    ends: dict[str, list[int]] = {"": [], END_OF_TEXT: []}
    for end, text in _read(path, 0, size):
        if text in ends:
            ends[text].append(end)
    boundary = END_OF_TEXT if ends[END_OF_TEXT] else ""
    cut = max((end for end in ends[boundary] if end <= (1 - holdout) * size), default=0)
    train, heldout = TextPart(path, 0, cut, boundary), TextPart(path, cut, size, boundary)
    if not (_has_text(train) and _has_text(heldout)):
        raise ModelError(
            f"{path}: {size} bytes cannot be split into a part to train on and a part held out; "
            f"give several documents, with a blank line or {END_OF_TEXT} between them"
        )
    return train, heldout


def encode_lines(lines: Iterable[Line], tokenizer: PreTrainedTokenizerFast) -> Ids:
    """Return the documents' ids (N,), with `<|endoftext|>` before each and after the last."""
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = True  # a special token's name in a text is text
    end = tokenizer.eos_token_id
    (newline,) = backend.encode("\n", add_special_tokens=False).ids
    chunks = []
    stream = iter(lines)
    while group := list(islice(stream, _LINES_AT_ONCE)):
        texts = [" " + text for _, text in group]
        ids: list[int] = []
        encodings = backend.encode_batch_fast(texts, add_special_tokens=False)
        for (first, _), encoding in zip(group, encodings, strict=True):
            ids.append(end if first else newline)
            ids += encoding.ids
        chunks.append(np.array(ids, dtype=np.uint32))
    return np.concatenate([*chunks, np.array([end], dtype=np.uint32)])


def _has_text(part: TextPart) -> bool:
    return next(part.lines(), None) is not None


def _read(path: Path, start: int, stop: int) -> Iterator[tuple[int, str]]:
    """Yield each line: (byte offset of its end, text without surrounding blanks)."""
    with path.open("rb") as file:
        position = file.seek(start)
        while position < stop:
            line = file.readline()
            position += len(line)
            try:
                yield position, line.decode("utf-8").strip()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}: not UTF-8 in the line that ends at byte {position} ({error.reason})"
                ) from error

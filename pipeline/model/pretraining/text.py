"""The text that φ is pre-trained on: documents, the held-out part, token ids.

The format is that of dialogues without special tokens (Appendix A's ablation): every line is a
segment with a leading space, a newline joins the lines of a document, `<|endoftext|>` joins
documents. The text is read as a stream, so it may be larger than memory. How its lines end (LF or
CRLF), and a byte order mark, change nothing.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from pipeline.errors import DataError, MissingFileError, ModelError, one_line
from pipeline.model.base.tokenizer_files import END_OF_TEXT


Ids = NDArray[np.uint32]
Line = tuple[bool, str]  # (starts a document, text without surrounding blanks)

LONGEST_LINE = 16 << 20  # bytes; a line is encoded in memory, a hundred times as large

_LINES_AT_ONCE = 8192  # that are encoded together, and
_CHARACTERS_AT_ONCE = 1 << 20  # of them: at these the next group begins
_BOM = b"\xef\xbb\xbf"

# Marks of documents that touch text or begin or end its line: not those that a text speaks about.
_MARK = r"<\|(?:start|end)oftext\|>"
_INLINE_MARK = re.compile(rf"(?:^|\S)({_MARK})|({_MARK})(?:\S|$)")


@dataclass(frozen=True)
class TextPart:
    """Bytes `start` to `stop` of a text file: whole documents."""

    path: Path
    start: int
    stop: int
    boundary: str  # the line that separates documents
    num_bytes: int  # size as UTF-8, boundaries and line ends included, each line end as one byte

    def lines(self) -> Iterator[Line]:
        """Yield the lines that are not blank, in order."""
        first = True
        for line in _read(self.path, self.start, self.stop):
            if line.text in (self.boundary, END_OF_TEXT):
                first = True
            elif line.text:
                yield first, line.text
                first = False


class _Line(NamedTuple):
    """A line, without surrounding blanks."""

    text: str
    end: int  # byte of the file after it
    num_bytes: int  # with one byte for its end


class _End(NamedTuple):
    """Where the part to train on may end: at a boundary."""

    end: int  # byte of the file
    num_bytes: int  # of the text so far, line ends as one byte
    documents: int  # so far


class _Documents:
    """What lines of one kind separate, counted while the text is read."""

    def __init__(self, boundary: str) -> None:
        self.boundary = boundary
        self.count = 0
        self._within = False

    def add(self, line: _Line) -> None:
        """Take the next line."""
        if line.text in (self.boundary, END_OF_TEXT):
            self._within = False
        elif line.text and not self._within:
            self._within = True
            self.count += 1


def split_text(path: Path, holdout: float) -> tuple[TextPart, TextPart]:
    """Split a text into the part to train on and the part held out.

    Documents end at `<|endoftext|>` lines, or at blank lines in a text without such lines between
    documents. The held-out part is the last whole documents that make up at least `holdout` of the
    bytes.

    Args:
        path: the text.
        holdout: share of the bytes, in (0, 1).

    Raises:
        MissingFileError: the file does not exist.
        DataError: the text is not UTF-8, a line is too long, or marks of documents stand in lines.
        ModelError: the text is empty, or no document ends before the held-out part.
    """
    if not path.is_file():
        raise MissingFileError(path, "download")
    by_mark, by_blank = _Documents(END_OF_TEXT), _Documents("")
    size = lines = 0
    for line in _read(path, 0, path.stat().st_size):
        size, lines = size + line.num_bytes, lines + 1
        _refuse_inline_marks(line.text, lines, path)
        by_mark.add(line)
        by_blank.add(line)
    documents = by_mark if by_mark.count > 1 else by_blank
    cut = documents.count > 1 and _last_end(path, documents.boundary, (1 - holdout) * size)
    if not cut or not 0 < cut.documents < documents.count:
        raise ModelError(
            f"{path}: {documents.count} document(s) in {lines} line(s) of {size} bytes cannot be "
            f"split into a part to train on and a part held out (base.pretrain.holdout {holdout}); "
            f"give several documents, with a blank line or a line {END_OF_TEXT} between them"
        )
    train = TextPart(path, 0, cut.end, documents.boundary, cut.num_bytes)
    stop, rest = path.stat().st_size, size - cut.num_bytes
    return train, TextPart(path, cut.end, stop, documents.boundary, rest)


def _last_end(path: Path, boundary: str, most: float) -> _End:
    """Return the last boundary within `most` bytes; the text's beginning if there is none.

    The text is read again for it: a text may have as many boundaries as bytes.
    """
    documents, last, size = _Documents(boundary), _End(0, 0, 0), 0
    for line in _read(path, 0, path.stat().st_size):
        size += line.num_bytes
        if size > most:
            break
        documents.add(line)
        if line.text == boundary:
            last = _End(line.end, size, documents.count)
    return last


def _refuse_inline_marks(text: str, number: int, path: Path) -> None:
    """Refuse marks of documents that are not lines of their own: they would be learnt as text."""
    if text == END_OF_TEXT or "oftext|>" not in text:
        return
    if mark := _INLINE_MARK.search(text):
        raise DataError(
            f"{path}: line {number} holds the mark {mark.group(1) or mark.group(2)}: "
            f"{one_line(repr(text), 60)}; give {END_OF_TEXT} a line of its own between documents "
            "and leave out any other mark (in the file that data.pretrain names)"
        )


def encode_lines(lines: Iterable[Line], tokenizer: PreTrainedTokenizerFast) -> Ids:
    """Return the documents' ids (N,), with `<|endoftext|>` before each and after the last.

    Raises:
        ModelError: the tokenizer has not one token for the end of a line.
    """
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = True  # a special token's name in a text is text
    end = tokenizer.eos_token_id
    newline = _line_end(backend)
    chunks = []
    for group in _groups(lines):
        texts = [" " + text for _, text in group]
        ids: list[int] = []
        encodings = backend.encode_batch_fast(texts, add_special_tokens=False)
        for (first, _), encoding in zip(group, encodings, strict=True):
            ids.append(end if first else newline)
            ids += encoding.ids
        chunks.append(np.array(ids, dtype=np.uint32))
    return np.concatenate([*chunks, np.array([end], dtype=np.uint32)])


def _line_end(backend: Tokenizer) -> int:
    ids: list[int] = backend.encode("\n", add_special_tokens=False).ids
    if len(ids) != 1:
        raise ModelError(
            f"base.pretrain.tokenizer has {len(ids)} tokens for the end of a line, and lines are "
            "joined by one; give a tokenizer with such a token, or null to train one"
        )
    return ids[0]


def _groups(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Yield the lines in groups of a bounded size, of which only the last line may be long."""
    group: list[Line] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line[1])
        if len(group) == _LINES_AT_ONCE or size >= _CHARACTERS_AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group


def _read(path: Path, start: int, stop: int) -> Iterator[_Line]:
    """Yield each line; a byte order mark is no part of the first."""
    with path.open("rb") as file:
        position = file.seek(start)
        while position < stop:
            line = file.readline(LONGEST_LINE + 1)
            position += len(line)
            if len(line) > LONGEST_LINE:
                raise DataError(
                    f"{path}: a line of over {LONGEST_LINE} bytes, which ends behind byte "
                    f"{position}; break it into lines (in the file that data.pretrain names)"
                )
            if position == len(line):
                line = line.removeprefix(_BOM)
            try:
                text = line.decode("utf-8").strip()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}: not UTF-8 in the line that ends at byte {position} ({error.reason})"
                ) from error
            yield _Line(text, position, len(line) - line.endswith(b"\r\n"))

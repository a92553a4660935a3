"""A stranger's tokenizer as this project needs it: without stored state, and lossless.

What `tokenizer.json` has stored of an earlier use would change texts unseen. What makes a text come
back changed is switched off where nothing is lost by it (a space put before a text, Unicode's
composed form), so that decode(encode(x)) = x. Where it cannot be switched off, the tokenizer is
refused with a text that it changes.
"""

import json
import os
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers

from pipeline.errors import ModelError, one_line
from pipeline.model.files.tokenizer_growth import refuse_growth


BYTES = tuple(pre_tokenizers.ByteLevel.alphabet())

_SPACE = "▁"  # sentencepiece's
_NAMES = 64  # of added tokens, that are tried as text
# Bytes of no UTF-8 text, of planes without a letter, and of control characters. A published
# vocabulary may lack them; the encoder of dialogues refuses a text that holds one.
_NO_TEXT = {0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100), *range(0x20)} - {*b"\t\n\r"}

SAMPLES = (
    ' Hello, "Wörld"!\n\t 42  ☃',
    "",
    " ",
    "   ",
    " a",
    "a",
    "  two  blanks  ",
    "\n",
    "\n\n a\r\n b\r",
    "\t\x7f\x85\u2028",
    " it 's n't , . ! ? ...  (x) [y] {z} <w> a_b-c/d\\e",
    unicodedata.normalize("NFC", " é ü ñ å Å"),
    unicodedata.normalize("NFD", " é ü ñ å Å"),
    " ﬁ ² ½ Ⅳ ｆｕｌｌ ① ﷺ K Ω",
    " 你好 世界 こんにちは 안녕 ไทย हिन्दी العربية עברית",
    " 😀 👩\u200d👩\u200d👧 🇩🇪 ❤️ 𝔘𝔫𝔦",
    " İstanbul ß ẞ ŉ UPPER lower MiXed",
    " \u00a0\u2003\u3000\u200b\ufeff\u00ad",
    " 1234567890 3.14 1,000",
)

# A pattern may try every way to divide a run, and fail at the last letter. It may do so for some
# letters or words alone: a run of each is tried, of two kinds in turn, and of lines of text.
_KINDS = ("a", "b", "B", "1", "é", "я", "中", "☃", " ", ".", "\n", "_")
_LETTERS = (*map(chr, range(32, 127)), *"\n\t\r\xa0éßñÉωЯяא中あ한عไह😀☃\u0301\u200d\ufffd")
_LINES = ("My dog likes long walks. ", "It's 3.50, isn't it? ", "aB1", "The ", "Ünï ")
_REPEATED = (
    *dict.fromkeys(("a", " ", "1", ".", "\n", *_LETTERS)),
    *(one + other for one, other in permutations(_KINDS, 2)),
    *_LINES,
)
_RUNS = tuple(run * max(40, 200 // len(run)) + last for run in _REPEATED for last in ("a", "☃", ""))
_SLOW = 2.0  # seconds of processor for all runs; SmolLM2's take 0.1


def without_stored_state(backend: Tokenizer) -> Tokenizer:
    """Return a tokenizer without truncation, padding and dropout, that puts no space before a text.

    The composed form (NFC) is switched off too: texts in that form have the same ids without it,
    and others come back as they were.
    """
    values = json.loads(backend.to_str())
    before = json.dumps(values)
    values |= {"truncation": None, "padding": None}
    if "dropout" in values["model"]:
        values["model"]["dropout"] = None
    prepends = any(part.get("type") == "Prepend" for part in _parts(values["normalizer"]))
    values["normalizer"] = _without(values["normalizer"], "normalizers", ("Prepend", "NFC"))
    for part in (*_parts(values["pre_tokenizer"]), *_parts(values["decoder"])):
        if part["type"] == "Metaspace":
            prepends = True
            part["prepend_scheme"] = "never"
            part.pop("add_prefix_space", None)
    for part in _parts(values["pre_tokenizer"]):
        if part["type"] == "ByteLevel":
            part["add_prefix_space"] = False
    for part in _parts(values["decoder"]):
        if prepends and part["type"] == "Strip":  # of the space that was put before a text
            part["start"] = 0
    return backend if json.dumps(values) == before else Tokenizer.from_str(json.dumps(values))


def checked(backend: Tokenizer, origin: str) -> None:
    """Refuse a tokenizer that changes text.

    Raises:
        ModelError: names the text and what becomes of it.
    """
    values = json.loads(backend.to_str())
    refuse_growth(values, origin)
    if any(part["type"] == "ByteLevel" for part in _parts(values["pre_tokenizer"])):
        missing = [c for c, letter in _byte_letters() if backend.token_to_id(letter) is None]
        if needed := sorted(set(missing) - _NO_TEXT):
            raise ModelError(
                f"{origin}: a byte-level tokenizer that lacks {len(needed)} bytes of ordinary text "
                f"(the first is 0x{needed[0]:02x}); one that can encode any text is needed"
            )
    backend.encode_special_tokens = True  # the name of a special token in a text is text
    for text in (*SAMPLES, *_names(backend)):
        with _no_panic(f"{origin}: the tokenizer fails on {text!r}", "another one"):
            decoded = round_trip(backend, text)
        if decoded != text:
            raise ModelError(
                f"{origin}: the tokenizer changes text ({text!r} is decoded as {decoded!r}); "
                "a lossless one is needed"
            )
    _refuse_slow(backend, origin)


def _refuse_slow(backend: Tokenizer, origin: str) -> None:
    """Refuse patterns that hardly end on a run of letters, as a stranger's may."""
    began = time.process_time()
    for text in _RUNS:
        fault = (
            f"{origin}: a pattern of the tokenizer hardly ends on {len(text)} characters such "
            f"as {text[:4]!r}"
        )
        with _no_panic(fault, "a tokenizer with simpler patterns"):
            backend.encode(text, add_special_tokens=False)
        if time.process_time() - began > _SLOW:
            raise ModelError(f"{fault}; give a tokenizer with simpler patterns")


@contextmanager
def _no_panic(fault: str, needed: str) -> Iterator[None]:
    """Make a panic of the compiled part one line: what is wrong, the panic's words, a remedy."""
    try:
        with _quiet():
            yield
    except BaseException as error:  # the compiled part's own is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise ModelError(f"{fault} ({one_line(error)}); give {needed}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what compiled code writes to stderr, a backtrace of its own."""
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def round_trip(backend: Tokenizer, text: str) -> str:
    """Return what a text is after encoding and decoding."""
    ids = backend.encode(text, add_special_tokens=False).ids
    decoded: str = backend.decode(ids, skip_special_tokens=False)
    return decoded


def _names(backend: Tokenizer) -> list[str]:
    """Return texts with the names of the tokenizer's added tokens."""
    added = sorted(backend.get_added_tokens_decoder().items())
    return [f" my {token.content} dog" for _, token in added[:_NAMES]]


def _byte_letters() -> Iterator[tuple[int, str]]:
    """Yield each byte with the letter that stands for it in a byte-level vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [code for code in range(256) if code not in printable]
    yield from ((code, chr(code)) for code in printable)
    yield from ((code, chr(256 + number)) for number, code in enumerate(others))


def _parts(node: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return a component's own parts: those of a sequence, or itself."""
    if node is None:
        return []
    if node["type"] != "Sequence":
        return [node]
    nested = next(v for v in node.values() if isinstance(v, list))
    return [part for child in nested for part in _parts(child)]


def _without(
    node: dict[str, Any] | None, key: str, kinds: tuple[str, ...]
) -> dict[str, Any] | None:
    """Return a component without the parts of some kinds; null if nothing is left."""
    if node is None or node["type"] in kinds:
        return None
    if node["type"] != "Sequence":
        return node
    kept = [part for child in node[key] if (part := _without(child, key, kinds)) is not None]
    return {**node, key: kept} if kept else None

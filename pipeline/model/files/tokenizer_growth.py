"""How much longer a stranger's tokenizer can make a text, from what tokenizer.json says alone.

Each part that rewrites a text or repeats tokens has a bound: so many characters at most become of
one. Parts follow each other, so their bounds are multiplied: forty parts that double a text would
make 10¹² characters of one. It is asked before the tokenizer is built, since building it rewrites
the names of added tokens and keeps them, so that these are bounded together.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from tokenizers import Tokenizer, models

from pipeline.errors import ModelError


MOST_GROWTH = 10_000  # published ones reach about 1,300 (ALBERT's)
MOST_IN_NAMES = 16_000_000  # characters of all rewritten names; published ones have some 100,000
_COMPATIBLE = 18  # characters that Unicode's compatible form makes of one (U+FDFA)
_COMPOSED = 4  # characters that its canonical forms make of one
_BYTES = 4  # bytes of a character, each of which becomes a letter

_NORMALIZERS = {
    "NFC": _COMPOSED,
    "NFD": _COMPOSED,
    "NFKC": _COMPATIBLE,
    "NFKD": _COMPATIBLE,
    "BertNormalizer": 3 * _COMPOSED,  # blanks around a Chinese character
    "ByteLevel": _BYTES,
    "Lowercase": 2,
    "Nmt": 1,
    "Strip": 1,
    "StripAccents": 1,
}
_PRE_TOKENIZERS = {
    "BertPreTokenizer": 1,
    "ByteLevel": 2 * _BYTES,  # and a space that is put before
    "CharDelimiterSplit": 1,
    "Digits": 1,
    "FixedLength": 1,
    "Metaspace": 2,  # puts one before every piece
    "Punctuation": 1,
    "Split": 1,
    "UnicodeScripts": 1,
    "Whitespace": 1,
    "WhitespaceSplit": 1,
}
_DECODERS = {
    "ByteFallback": 1,
    "ByteLevel": 1,
    "Fuse": 1,
    "Metaspace": 1,
    "Strip": 1,
    "WordPiece": 2,  # a space before every token
}
_POST_PROCESSORS = {"BertProcessing": 1, "ByteLevel": 1, "RobertaProcessing": 1}

_KINDS: dict[str, Mapping[str, int]] = {
    "normalizer": _NORMALIZERS,
    "pre_tokenizer": _PRE_TOKENIZERS,
    "decoder": _DECODERS,
    "post_processor": _POST_PROCESSORS,
}
_TOGETHER = (("normalizer", "pre_tokenizer"), ("decoder",), ("post_processor",))


def refuse_growth(values: Mapping[str, Any], origin: str) -> None:
    """Refuse a tokenizer whose parts can make a text longer without measure.

    Args:
        values: of tokenizer.json.
        origin: the file, for errors.

    Raises:
        ModelError: names the parts and how much longer they can make a text, or all names of
            added tokens.
        Exception: `tokenizers`' own, if it cannot read a part.
    """
    parts = _as_read(values)
    for keys in _TOGETHER:
        of_each = {key: [_bound(key, part) for part in _single(parts[key])] for key in keys}
        bound = prod(number for numbers in of_each.values() for number in numbers)
        if bound > MOST_GROWTH:
            count = sum(number > 1 for numbers in of_each.values() for number in numbers)
            shown = f"{bound:,}" if bound < 10**12 else "more than 10^12"
            raise ModelError(
                f"{origin}: {count} parts of {' and '.join(keys)} can make a text {shown} times "
                f"as long, at most {MOST_GROWTH:,} is read; give a tokenizer without them"
            )
    _refuse_long_names(values.get("added_tokens"), parts["normalizer"], origin)


def _refuse_long_names(added: object, normalizer: dict[str, Any] | None, origin: str) -> None:
    """Refuse added tokens whose names, as a normaliser may rewrite them, are too long together.

    What is not normalised is counted too: names are tried as text.
    """
    tokens = added if isinstance(added, list) else []
    names = [token.get("content") for token in tokens if isinstance(token, dict)]
    given = sum(len(name) for name in names if isinstance(name, str))
    bound = prod(_bound("normalizer", part) for part in _single(normalizer))
    if given * bound > MOST_IN_NAMES:
        raise ModelError(
            f"{origin}: the names of {len(names):,} added tokens have {given:,} characters, and "
            f"the normalizer can make {given * bound:,} of them; at most {MOST_IN_NAMES:,} are "
            "read; give a tokenizer with fewer or shorter names"
        )


def _as_read(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the four components as `tokenizers` understands them, whatever form they have."""
    plain = json.loads(Tokenizer(models.BPE()).to_str())
    own = {key: values.get(key) for key in _KINDS}
    read = json.loads(Tokenizer.from_str(json.dumps(plain | own)).to_str())
    return {key: read[key] for key in _KINDS}


def _single(node: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Yield a component's parts that are no sequence, however deep they lie."""
    if node is None:
        return
    if node["type"] != "Sequence":
        yield node
        return
    for children in node.values():
        if isinstance(children, list):
            for child in children:
                yield from _single(child)


def _bound(key: str, part: Mapping[str, Any]) -> int:
    """Return how many characters, or tokens, one can become."""
    kind = part["type"]
    if kind == "Replace":
        return _replaced(part["pattern"], part["content"])
    if kind == "Precompiled":
        return _longest_in_map(part["precompiled_charsmap"])
    if kind == "Prepend":
        return 1 + len(part["prepend"])  # before every name and every piece between names
    if kind == "BPEDecoder":
        return 1 if part["suffix"] else 2  # nothing is found before every character
    if kind == "CTC":
        return 1 if part["word_delimiter_token"] else 2
    if kind == "TemplateProcessing":
        return max(_repeated(part[name]) for name in ("single", "pair"))
    return _KINDS[key].get(kind, _COMPATIBLE)


def _replaced(pattern: Mapping[str, str], content: str) -> int:
    text = pattern.get("String")
    if text:
        return max(1, -(-len(content) // len(text)))
    return 1 + len(content)  # a pattern may be found between any two characters


def _longest_in_map(encoded: str) -> int:
    """Return the most characters in a map of sentencepiece: texts that each end with a zero byte.

    Raises:
        ValueError: it is no such map.
    """
    content = b64decode(encoded)
    texts = content[4 + int.from_bytes(content[:4], "little") :].split(b"\0")
    return max(1, *(len(text.decode(errors="replace")) for text in texts))


def _repeated(template: list[dict[str, Any]]) -> int:
    """Return how often a template has the text that it is told to repeat most."""
    names = [piece["Sequence"]["id"] for piece in template if "Sequence" in piece]
    return max((names.count(name) for name in names), default=1)

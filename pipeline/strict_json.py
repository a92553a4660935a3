"""JSON as its standard has it: UTF-8, no key twice, no NaN, no Infinity; and sealed, if asked for.

A sealed object holds the SHA-256 of all its other fields. So an edit by hand is noticed.
"""

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.errors import DataError, one_line


MANY = 10_000  # errors
SEAL = "content_sha256"


HALF = "half a surrogate pair in it, which is no text"
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # whole pairs, too


def strict_loads(text: bytes) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is not UTF-8 or no JSON; or a key is there twice, of which Python's own
            parser takes the last; or a number is not finite; or a text is none.
        RecursionError: it is nested too deep.
    """
    value = json.loads(
        text.decode(), object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite
    )
    if _HALF.search(text):
        refuse_halves(value)
    return value


def refuse_halves(value: object) -> None:
    r"""Refuse a value with half a surrogate pair in it, `"\ud800"`, which no file can hold.

    Raises:
        ValueError: there is one.
        RecursionError: the value is nested too deep.
    """
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(HALF) from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = _first_again(key for key, _ in pairs)
        raise ValueError(f"the key {one_line(repr(twice))} is there twice")
    return content


def _first_again(keys: Iterable[str]) -> str:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    raise AssertionError("no key is there twice")


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:  # 1e999 is infinity to Python's own parser
        raise ValueError(f"{one_line(text, 40)} is beyond every number that is reckoned with")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


# Of a stream: `raw_decode` reads one value. The rules are the same, but for `refuse_halves`.
DECODER = json.JSONDecoder(
    object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite
)


def first_problem(error: ValueError | RecursionError) -> str:
    """Say in one line why a text is no JSON, or which field of a record is wrong first."""
    if not isinstance(error, ValidationError):
        return "too deep" if isinstance(error, RecursionError) else one_line(error)
    first = first_of(error)
    where = ".".join(str(part) for part in first["loc"])
    return one_line(f"{where}: {first['msg']}" if where else first["msg"])


def first_of(error: ValidationError) -> ErrorDetails:
    """Return what is wrong first; of very many errors only how many: pydantic tells them at once.

    A file of some MB may have a million, which would take gigabytes.
    """
    if (count := error.error_count()) <= MANY:
        return error.errors(include_url=False)[0]
    what = f"{count} values that should not be there, or are of another kind"
    return {"type": "too_many", "loc": (), "msg": what, "input": None}


def json_text(value: object) -> str:
    """Return JSON with sorted keys, a final newline and no NaN.

    What holds no object or list stands on one line; else an item or key per line, indented by two.
    """
    return _json(value, "\n") + "\n"


def _json(value: object, line: str) -> str:
    inner = line + "  "
    if isinstance(value, dict) and any(map(_nests, value.values())):
        items = [f"{_json_key(key)}: {_json(value[key], inner)}" for key in sorted(value)]
        return "{" + ",".join(inner + item for item in items) + line + "}"
    if isinstance(value, list | tuple) and any(map(_nests, value)):
        return "[" + ",".join(inner + _json_line(item) for item in value) + line + "]"
    return _json_line(value)


def _json_line(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _nests(value: object) -> bool:
    return isinstance(value, dict | list | tuple) and len(value) > 0


def _json_key(key: object) -> str:
    return json.dumps({key: 0}, ensure_ascii=False)[1:-4]  # without `{` and `: 0}`


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with the SHA-256 of its content in a further field.

    >>> sorted(sealed({"a": 1}))
    ['a', 'content_sha256']
    """
    return {**value, SEAL: content_sha256(value)}


def opened(
    value: dict[str, Any], origin: object, remedy: str, *, required: bool = False
) -> dict[str, Any]:
    """Return a JSON object without its seal.

    Args:
        value: the object.
        origin: names the file in errors.
        remedy: what to do, for errors.
        required: whether it must have a seal. One that says which parameters made it always must;
            any other without a seal may be of an older version.

    Raises:
        DataError: the content is not the sealed one; names the file, both digests, the remedy. Or
            the seal is missing.
    """
    if SEAL not in value:
        if required or says_made_with(value):
            raise DataError(f"{origin}: {SEAL} is missing, its stage writes it; {remedy}")
        return value
    content = {key: item for key, item in value.items() if key != SEAL}
    if (now := content_sha256(content)) != value[SEAL]:
        raise DataError(
            f"{origin}: edited or damaged since it was written: the SHA-256 of its content is "
            f"{now[:12]}…, its {SEAL} says {one_line(value[SEAL], 64)[:12]}…; {remedy}"
        )
    return content


def says_made_with(value: Mapping[str, Any]) -> bool:
    """Say whether an object says which parameters made it: older versions sealed nothing."""
    made_from = value.get("made_from")
    of_metrics = isinstance(made_from, dict) and "made_with" in made_from
    return of_metrics or "made_with" in value or "params" in value


def content_sha256(value: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a JSON object, whatever its layout and the order of its keys."""
    read_back = json.loads(json.dumps(value, allow_nan=False))  # keys are text then
    return sha256(json.dumps(read_back, sort_keys=True).encode()).hexdigest()

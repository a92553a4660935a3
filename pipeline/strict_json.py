"""JSON as its standard has it: UTF-8, no key twice, no NaN, no Infinity."""

import json
import re

from pydantic import ValidationError

from pipeline.errors import one_line


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
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {one_line(repr(twice))} is there twice")
    return content


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
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return one_line(f"{where}: {first['msg']}")

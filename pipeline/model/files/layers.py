"""How many layers a stranger's file may speak of: one bound for folders, the hub and .gguf files.

Classes make a list of their layers at once, and time grows with the square of their number.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import ModelError, one_line


MOST_LAYERS = 160  # published models reach some 140

_COUNT = re.compile(r"(num|n)_.*(layer|block)")  # e.g. xLSTM's num_blocks, beside the layers


def refuse_endless(values: Mapping[str, Any], names: tuple[str, ...], origin: str) -> None:
    """Refuse a number of layers that no model has.

    Args:
        values: of a config.json, those that its class takes.
        names: that the number of layers may have.
        origin: the file, for errors.

    Raises:
        ModelError: names the key, its value and the most that is read.
    """
    for key, value in values.items():
        counts = key in names or _COUNT.match(key)
        if counts and isinstance(value, int | float) and value > MOST_LAYERS:
            raise ModelError(
                f"{origin}: {key} is {one_line(value)}; at most {MOST_LAYERS} are read"
            )
    for key, value in values.items():  # e.g. gpt_neo's attention_types, [[["global"], 12]]
        for times in _counts(value):
            if times > MOST_LAYERS:
                raise ModelError(
                    f"{origin}: {key} repeats something {one_line(times)} times; at most "
                    f"{MOST_LAYERS} are read"
                )


def _counts(value: object, depth: int = 0) -> Iterator[int]:
    """Yield the whole numbers in a list within a list: classes repeat what stands beside them."""
    if isinstance(value, list):
        for item in value:
            yield from _counts(item, depth + 1)
    elif type(value) is int and depth > 1:
        yield value

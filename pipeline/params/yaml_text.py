"""YAML that somebody else may have written: read within bounds, shown within bounds.

Of a URL in it only what is public is shown: a password or a token may be part of it.
"""

from collections.abc import Iterator
from reprlib import Repr
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, SequenceNode

from pipeline.errors import one_line, public_text, public_urls
from pipeline.strict_json import refuse_halves


MOST_VALUES = 100_000  # of a file, every alias counted as often as it is used
_LONGEST = 80  # characters of a value in a message

# What reading raises beside YAML's own errors: impossible dates, integers of 5,000 digits, code
# points beyond Unicode, tags on what they do not fit, nesting without end.
UNREADABLE = (
    YAMLError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class KindError(ValueError):
    """A value is of a kind that JSON lacks, as a date."""


class _Bounded(SafeConstructor):
    """Merges mappings (`<<`) as YAML does, within MOST_VALUES: merges of merges double."""

    def flatten_mapping(self, node: Any) -> Any:
        """Put the merged mappings' values into a node.

        Raises:
            ValueError: they are too many.
        """
        count = 0
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:merge":
                continue
            for merged in value.value if isinstance(value, SequenceNode) else [value]:
                if isinstance(merged, MappingNode):
                    self.flatten_mapping(merged)
                    count += len(merged.value)
                if count > MOST_VALUES:
                    raise ValueError(f"its merges (<<) make more than {MOST_VALUES:,} values of it")
        return super().flatten_mapping(node)


def loaded(text: str) -> Any:
    """Return a text's value by YAML 1.2's rules.

    Raises:
        ValueError: it is not YAML, or holds an impossible value, or is nested too deep, or its
            aliases or merges make it endless or longer than MOST_VALUES.
        KindError: neither DVC nor a record could hold a value.
    """
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.Constructor = _Bounded
        values = yaml.load(text)
        count = _count(values, {})
    except RecursionError as error:
        raise ValueError("nested too deep, or an alias that holds itself") from error
    except UNREADABLE as error:
        _show_no_line_with_a_url(error, text)
        raise ValueError(public_urls(" ".join(str(error).split()))) from error
    if count > MOST_VALUES:
        raise ValueError(f"its aliases make more than {MOST_VALUES:,} values of it")
    _refuse_other_kinds(values, "")
    return values


def _show_no_line_with_a_url(error: Exception, text: str) -> None:
    """Let an error say where it is, without the line: that is cut, maybe behind the scheme."""
    lines = text.splitlines()
    marks = (error.context_mark, error.problem_mark) if isinstance(error, MarkedYAMLError) else ()
    for mark in marks:
        if mark is not None and any("://" in line for line in lines[mark.line : mark.line + 1]):
            mark.buffer = None


def _count(value: object, known: dict[int, int]) -> int:
    r"""Return how many values there are, an alias's as often as it is used; a circle recurs.

    Raises:
        ValueError: a text is none, as `"\ud800"`, which no file or name can hold.
    """
    if isinstance(value, str):
        refuse_halves(value)
    if id(value) not in known:
        count = 1 + sum(_count(inner, known) for inner in _inside(value))
        known[id(value)] = count
    return known[id(value)]


def _refuse_other_kinds(value: object, key: str) -> None:
    """Refuse what JSON lacks; of an alias each use is looked at, so `value` must be bounded."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_other_kinds(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_other_kinds(inner, f"{key}.{number}" if key else str(number))
    elif not isinstance(value, str | int | float | None):
        raise KindError(
            f"{one_line(key) or 'the value'} is {shown(value)}, of the kind "
            f"{type(value).__name__}; a text, number, true, false, null, list or mapping is "
            "expected (quote a text)"
        )


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list | tuple | set):
        yield from value


class _Short(Repr):
    """Python's `repr`, cut; of what has none, its kind."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = _LONGEST

    def repr_str(self, x: str, level: int) -> str:
        """Return a text; of a URL what is public. It is cut after that, not before."""
        return super().repr_str(public_text(x), level)

    def repr_int(self, x: int, level: int) -> str:
        """Return an integer, or its size if Python refuses to write it."""
        bits = x.bit_length()
        return super().repr_int(x, level) if bits < 4096 else f"an integer of {bits} bits"


_SHORT = _Short()


def shown(value: object) -> str:
    """Return a value as a message shows it: one line, cut, in little time whatever it is."""
    return one_line(_SHORT.repr(value))

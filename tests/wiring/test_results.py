"""Every figure with an interval in docs/results.md and README.md is in a committed metrics file."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.wiring.closure import ROOT


NUMBER = r"[-−]?\d[\d,]*\.?\d*"
ESTIMATE = re.compile(rf"({NUMBER}) \[({NUMBER}),\s+({NUMBER})\]")
ROW = re.compile(r"^\| `(\w+)`")


class Shown(NamedTuple):
    """An estimate as it is printed: what is said of it, in which variant's row if in a row."""

    where: str
    variant: str | None
    numbers: tuple[str, ...]


def shown(document: str) -> Iterator[Shown]:
    text = (ROOT / document).read_text(encoding="utf-8")
    for paragraph in re.split(r"\n(?=\n|\||- )", text):
        row = ROW.match(paragraph.lstrip("\n"))
        for found in ESTIMATE.finditer(paragraph):
            yield Shown(found[0], row[1] if row else None, found.groups())


def estimates(node: Any) -> Iterator[tuple[float, float, float]]:
    """Yield whatever has a value, a low and a high end."""
    if isinstance(node, dict):
        triple = tuple(node.get(key) for key in ("value", "low", "high"))
        if all(isinstance(number, (int, float)) for number in triple):
            yield triple
        yield from (found for value in node.values() for found in estimates(value))
    elif isinstance(node, list):
        yield from (found for value in node for found in estimates(value))


@cache
def committed(variant: str | None) -> np.ndarray:
    """Every estimate of a variant's files, or of all files, and its mirror image: (N, 3)."""
    files = [*(ROOT / "docs/results").rglob("*.json"), *(ROOT / "metrics").rglob("*.json")]
    those = [path for path in files if variant is None or path.stem == variant]
    found = [e for path in those for e in estimates(json.loads(path.read_text()))]
    return np.array(found + [(-value, -high, -low) for value, low, high in found]).reshape(-1, 3)


def is_committed(one: Shown) -> bool:
    digits = [len(number.partition(".")[2]) for number in one.numbers]
    values = np.array([float(n.replace("−", "-").replace(",", "")) for n in one.numbers])
    tolerance = np.array([0.5 * 10.0**-d for d in digits]) + 1e-9
    of_pairs = committed("comparison")  # a row of two variants begins with the first's name
    tables = [committed(one.variant), of_pairs] if one.variant else [committed(None)]
    return any(bool((np.abs(table - values) <= tolerance).all(axis=1).any()) for table in tables)


@pytest.mark.parametrize("document", ["docs/results.md", "README.md"])
def test_every_estimate_is_in_a_committed_file(document):
    found = list(shown(document))
    assert len(found) > 20
    assert [one.where for one in found if not is_committed(one)] == []


def test_a_figure_that_no_file_holds_is_noticed():
    one = next(one for one in shown("README.md") if one.variant == "reinit")
    value, low, high = one.numbers
    assert is_committed(one)
    assert not is_committed(one._replace(numbers=(value, low, f"9{high}")))
    assert not is_committed(one._replace(variant="extra_place"))

"""Every figure with an interval in docs/results.md and README.md is in its study's files."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.wiring.closure import ROOT


EMBEDDED, EARLIER = "metrics", "docs/results/embedded_earlier"
STUDIES = {  # by section of docs/results.md; of one where none is named the section above's holds
    "The embedded run": (EMBEDDED, EARLIER),
    "The same run on another machine": (EARLIER, EMBEDDED),
    "Tuned track and equal budget": ("docs/results/equal_budget", EARLIER),
    "Special tokens (Appendix A's ablation)": ("docs/results/special_tokens", EARLIER),
    "Without persona text": ("docs/results/no_persona_text",),
    "Real Persona-chat, a base of our own": ("docs/results/real_cpu",),
    "Three training seeds, another base": ("docs/results/real_cpu_seeds", "docs/results/real_cpu"),
    "Adapted by Adam": ("docs/results/real_cpu_adam",),
    "The preset again": ("docs/results/real_cpu_again", "docs/results/real_cpu"),
    "The paper's rates, special tokens, no persona text": ("docs/results/real_cpu_again",),
    "What the real data answer so far": (
        "docs/results/real_cpu_adam",
        "docs/results/real_cpu_seeds",
        "docs/results/real_cpu_again",
        "docs/results/real_cpu",
    ),
    "Where the paper's numbers do not fit ours, and why": (
        "docs/results/real_cpu_seeds",
        "docs/results/real_cpu_again",
        "docs/results/real_cpu",
    ),
    "The real part of Persona-chat": ("docs/results/real_part",),
    "Next-utterance prediction on the embedded corpus": (
        EMBEDDED,
        "docs/results/next_utterance",
        EARLIER,
    ),
    "Self-play on the embedded corpus": ("docs/results/self_play", EARLIER),
    "ConvAI2 validation: floors and quoted systems": ("docs/results/zero_shot", "docs/results"),
}
NUMBER = r"[-−]?\d[\d,]*\.?\d*"
ESTIMATE = re.compile(rf"({NUMBER})\s+\[({NUMBER}),\s+({NUMBER})\]")
INTERVAL = re.compile(rf"\[{NUMBER},\s+{NUMBER}\]")
ROW = re.compile(r"^\| `(\w+)`")


class Shown(NamedTuple):
    """An estimate as it is printed: in which section, in which variant's row if in a row."""

    section: str
    variant: str | None
    numbers: tuple[str, ...]


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def shown(document: str) -> Iterator[Shown]:
    section = ""
    for paragraph in re.split(r"\n(?=\n|\||- |#)", text_of(document)):
        if heading := re.match(r"\n?#+ (.+)", paragraph):
            section = heading[1]
        row = ROW.match(paragraph.lstrip("\n"))
        for found in ESTIMATE.finditer(paragraph):
            yield Shown(section, row[1] if row else None, found.groups())


def estimates(node: Any) -> Iterator[tuple[float, float, float]]:
    """Yield whatever has a value, a low and a high end."""
    if isinstance(node, dict):
        for ends in (("low", "high"), ("crossed_low", "crossed_high")):
            triple = tuple(node.get(key) for key in ("value", *ends))
            if all(isinstance(number, (int, float)) for number in triple):
                yield triple
        yield from (found for value in node.values() for found in estimates(value))
    elif isinstance(node, list):
        yield from (found for value in node for found in estimates(value))


@cache
def tracked() -> tuple[str, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "*.json"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return tuple(listed.stdout.split())


@cache
def committed(folders: tuple[str, ...], variant: str | None) -> np.ndarray:
    """Every estimate of a variant's files, or of all files, and its mirror image: (N, 3).

    Of files side by side in `docs/results` itself, not of those in its folders.
    """
    files = [
        path
        for path in map(ROOT.joinpath, tracked())
        for folder in folders
        if path.is_relative_to(ROOT / folder)
        and (folder != "docs/results" or path.parent == ROOT / folder)
        and (variant is None or path.stem in (variant, "comparison"))
    ]
    found = [e for path in files for e in estimates(json.loads(path.read_text()))]
    return np.array(found + [(-value, -high, -low) for value, low, high in found]).reshape(-1, 3)


def is_committed(one: Shown) -> bool:
    digits = [len(number.partition(".")[2]) for number in one.numbers]
    values = np.array([float(n.replace("−", "-").replace(",", "")) for n in one.numbers])
    tolerance = np.array([0.5 * 10.0**-d for d in digits]) + 1e-9
    table = committed(STUDIES.get(one.section, (EMBEDDED, "docs/results/real_cpu")), one.variant)
    return bool((np.abs(table - values) <= tolerance).all(axis=1).any())


@pytest.mark.parametrize("document", ["docs/results.md", "README.md"])
def test_every_estimate_is_in_a_committed_file(document):
    found = list(shown(document))
    assert len(found) == len(INTERVAL.findall(text_of(document))) > 20
    assert [one for one in found if not is_committed(one)] == []


def test_every_section_has_its_studies():
    sections = {one.section for one in shown("docs/results.md")}
    assert sections == set(STUDIES)


@pytest.mark.parametrize("place", range(3))
def test_a_last_digit_is_noticed(place):
    one = next(one for one in shown("README.md") if one.variant == "reinit")
    assert is_committed(one)
    numbers = list(one.numbers)
    numbers[place] = numbers[place][:-1] + f"{(int(numbers[place][-1]) + 1) % 10}"
    assert not is_committed(one._replace(numbers=tuple(numbers)))


def test_another_variants_figure_is_noticed():
    one = next(one for one in shown("README.md") if one.variant == "reinit")
    assert not is_committed(one._replace(variant="extra_place"))

"""Documents of results are what their templates and the committed files make, and say nothing else.

Two ways: the commands are run again and compared; and every figure with an interval is looked up in
the studies' files by a reader of its own.
"""

import csv
import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from pipeline import artifacts
from pipeline.evaluation.kept.documents import pages
from pipeline.evaluation.kept.study import study_of
from tests.wiring.closure import ROOT


STUDIES = ROOT / artifacts.STUDIES
RESULTS, FRONT = (ROOT / path for path in (pages.RESULTS, pages.FRONT))
READMES = sorted(STUDIES.glob("*/README.md"))
NUMBER = r"[-−]?\d[\d,]*\.?\d*"
ESTIMATE = re.compile(rf"({NUMBER})\s+\[({NUMBER}),\s+({NUMBER})\]")
INTERVAL = re.compile(rf"\[{NUMBER},\s+{NUMBER}\]")
ROW = re.compile(r"^\| `(\w+)`")
FRACTION = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\.\w)")
LINES = 250  # of docs/results.md at most: it is one page


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def by_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_page_of_answers_is_made_of_the_committed_files():
    """If this fails: `python -m stages.study results`."""
    assert text_of(RESULTS) == pages.results(ROOT)
    assert text_of(RESULTS).count("\n") <= LINES


def test_the_tables_on_the_front_page_are_made_of_the_committed_files():
    assert text_of(FRONT) == pages.filled(text_of(FRONT), FRONT, ROOT)
    assert len(pages.BLOCK.findall(text_of(FRONT))) == text_of(FRONT).count("<!-- end -->") == 1


def test_the_front_pages_picture_is_made_of_the_committed_files():
    assert text_of(ROOT / pages.PICTURE) == pages.picture(ROOT)


@pytest.mark.parametrize("name", pages.names(ROOT))
def test_a_studys_readme_is_made_of_its_files(name):
    """If this fails: `python -m stages.study readme`."""
    assert text_of(STUDIES / name / "README.md") == pages.readme(ROOT, name)


def test_every_study_with_metrics_has_a_readme_and_is_in_the_index():
    kept = {path.parent.name for path in STUDIES.glob("*/metrics")}
    assert kept <= set(pages.names(ROOT))
    assert {path.parent.name for path in READMES} == set(pages.names(ROOT))
    linked = set(re.findall(r"\]\(\.\./studies/(\w+)/README\.md\)", text_of(RESULTS)))
    assert linked == set(pages.names(ROOT))


def test_a_value_that_moves_changes_the_page(tmp_path):
    """The page follows its files: one changed value of one study is seen."""
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")  # a study's page follows no link out
    shutil.copy(ROOT / artifacts.PARAMS, tmp_path / artifacts.PARAMS)
    shutil.copytree(STUDIES, tmp_path / "studies")
    before = pages.results(tmp_path)
    changed = tmp_path / "studies/real_cpu_seeds"
    comparison = json.loads((STUDIES / changed.name / "comparison.json").read_text())
    comparison["tests"][0]["over_seeds"]["difference"]["high"] += 0.001
    artifacts.write_json(changed / "comparison.json", comparison)
    lines = zip(before.splitlines(), pages.results(tmp_path).splitlines(), strict=True)
    assert len([pair for pair in lines if pair[0] != pair[1]]) == 1


def templates() -> list[Path]:
    return [ROOT / pages.TEMPLATE, FRONT, *sorted(STUDIES.glob("*/about.md"))]


@pytest.mark.parametrize("path", templates(), ids=by_name)
def test_no_figure_with_an_interval_is_written_by_hand(path):
    assert INTERVAL.findall(by_hand(path)) == []


def by_hand(path: Path) -> str:
    """What a template says without its expressions, blocks and code."""
    text = pages.BLOCK.sub("", text_of(path)) if path == FRONT else text_of(path)
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}|```.*?```|`[^`]+`", "", text, flags=re.DOTALL)


# In the page's template by hand: rates that were set. Everything that was measured is read.
SET = {"0.001", "0.0003", "0.03", "0.1", "2.6", "1.7", "1.8"}


def test_the_page_has_no_measured_fraction_by_hand():
    found = set(FRACTION.findall(by_hand(ROOT / pages.TEMPLATE)))
    assert found <= SET
    rates = {f"{value:g}" for value in leaves(pages_params())}
    assert {"0.001", "0.0003", "0.03", "0.1"} <= rates


def pages_params() -> list[Any]:
    return [study_of(ROOT, name).params for name in ("embedded", "real_cpu_adam")]


def leaves(node: Any) -> list[float]:
    if isinstance(node, dict):
        return [leaf for value in node.values() for leaf in leaves(value)]
    if isinstance(node, list):
        return [leaf for value in node for leaf in leaves(value)]
    return [node] if isinstance(node, float) else []


class Shown(NamedTuple):
    """A figure with an interval as it is printed: in which variant's row if in a row."""

    variant: str | None
    numbers: tuple[str, ...]


def shown(path: Path) -> list[Shown]:
    found = []
    for paragraph in re.split(r"\n(?=\n|\||- |#)", text_of(path)):
        row = ROW.match(paragraph.lstrip("\n"))
        found += [Shown(row and row[1], e.groups()) for e in ESTIMATE.finditer(paragraph)]
    return found


def estimates(node: Any) -> list[tuple[float, ...]]:
    """Whatever has a value, a low and a high end."""
    if isinstance(node, list):
        return [e for value in node for e in estimates(value)]
    if not isinstance(node, dict):
        return []
    ends = [
        (node.get("value"), node.get(f"{c}low"), node.get(f"{c}high")) for c in ("", "crossed_")
    ]
    own = [e for e in ends if all(isinstance(number, int | float) for number in e)]
    return own + [e for value in node.values() for e in estimates(value)]


@cache
def committed(folder: Path, variant: str | None) -> np.ndarray:
    """Every estimate of a folder, or of one variant in it, and its mirror image: (N, 3)."""
    found: list[tuple[float, ...]] = []
    for path in sorted(folder.rglob("*.json")):
        if variant is None or path.stem in (variant, "comparison", "shot_tests"):
            found += estimates(json.loads(path.read_text()))
    for path in sorted(folder.rglob("kshot/*.csv")):
        if variant is None or path.stem == variant:
            rows = csv.DictReader(path.read_text().splitlines())
            found += [
                tuple(float(r[f"ppl{e}"] or "nan") for e in ("", "_low", "_high")) for r in rows
            ]
    return np.array(found + [(-value, -high, -low) for value, low, high in found]).reshape(-1, 3)


def is_committed(one: Shown, folders: tuple[Path, ...]) -> bool:
    digits = [len(number.partition(".")[2]) for number in one.numbers]
    values = np.array([float(n.replace("−", "-").replace(",", "")) for n in one.numbers])
    tolerance = np.array([0.5 * 10.0**-d for d in digits]) + 1e-8
    tables = (committed(folder, one.variant) for folder in folders)
    return any(bool((np.abs(t - values) <= tolerance).all(axis=1).any()) for t in tables)


EVERYWHERE = (ROOT / artifacts.METRICS, STUDIES)


@pytest.mark.parametrize("path", [RESULTS, FRONT], ids=by_name)
def test_every_estimate_is_in_a_committed_file(path):
    found = shown(path)
    assert len(found) == len(INTERVAL.findall(text_of(path))) > (20 if path == RESULTS else 2)
    assert [one for one in found if not is_committed(one, EVERYWHERE)] == []


@pytest.mark.parametrize("path", READMES, ids=by_name)
def test_every_estimate_of_a_studys_row_is_in_that_studys_files(path):
    rows = [one for one in shown(path) if one.variant is not None]
    assert [one for one in rows if not is_committed(one, (path.parent,))] == []


def embedded_row() -> Shown:
    """An estimate of the embedded run's table."""
    rows = (one for one in shown(RESULTS) if one.variant == "reinit")
    return next(one for one in rows if is_committed(one, EVERYWHERE[:1]))


@pytest.mark.parametrize("place", range(3))
def test_a_last_digit_is_noticed(place):
    one = embedded_row()
    numbers = list(one.numbers)
    numbers[place] = numbers[place][:-1] + f"{(int(numbers[place][-1]) + 1) % 10}"
    assert not is_committed(one._replace(numbers=tuple(numbers)), EVERYWHERE[:1])


def test_another_variants_figure_is_noticed():
    one = embedded_row()
    assert not is_committed(one._replace(variant="extra_place"), EVERYWHERE[:1])

"""Scoring people one by one: the same bytes as all at once, in memory that hardly grows."""

import json
import tracemalloc
from contextlib import chdir

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.scoring.details import score_people, score_variant
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from tests.support.many_predictions import VARIANT, write


BOOTSTRAP = Bootstrap(samples=50, seed=0)
PER_PERSON = 300_000  # bytes, while buffers fill; the 235 records of a person take a megabyte


def scored(folder):
    with chdir(folder), predictions_file.people(VARIANT) as people:
        return score_people(people.overview, people, BOOTSTRAP)


def peak(folder, people):
    """The most bytes that scoring so many people takes."""
    folder.mkdir()
    write(folder, people)
    tracemalloc.start()
    try:
        scored(folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_the_records_of_a_person_do_not_stay(tmp_path):
    few, many = peak(tmp_path / "few", 3), peak(tmp_path / "many", 13)
    assert (many - few) / 10 < PER_PERSON


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_people_from_the_file_are_scored_as_all_records_at_once(tmp_path, seeds):
    write(tmp_path, 3, seeds)
    with chdir(tmp_path):
        whole = score_variant(predictions_file.read(VARIANT), BOOTSTRAP)
    assert scored(tmp_path) == whole


def test_a_file_that_changes_between_its_check_and_its_scores_is_refused(tmp_path):
    write(tmp_path, 2)
    with chdir(tmp_path), predictions_file.people(VARIANT) as people:
        path = artifacts.predictions_file(VARIANT)
        with path.open("r+b") as file:
            file.seek(-100, 2)
            file.write(b"x" * 99 + b"\n")
        with pytest.raises(DataError, match="it changed while it was read; run"):
            list(people)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows[:5], rows[5], *rows[5:]],
        lambda rows: [*rows[:-1], rows[-1] | {"turn": 6 + 1}],
        lambda rows: [*rows[:-1], rows[-1] | {"nll": -1e6}],
        lambda rows: [*rows[:-1], rows[-1] | {"nll": 1.25}],
    ],
    ids=["removed", "doubled", "renumbered", "out of bounds", "edited"],
)
def test_nothing_is_scored_of_a_file_that_was_edited(tmp_path, change):
    write(tmp_path, 2)
    path = tmp_path / artifacts.predictions_file(VARIANT)
    rows = change([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (
        chdir(tmp_path),
        pytest.raises(DataError, match=r"many\.jsonl"),
        predictions_file.people(VARIANT),
    ):
        pytest.fail("nothing may be scored")

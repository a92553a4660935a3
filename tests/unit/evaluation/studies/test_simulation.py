"""The simulation study: what it draws from, what it counts, and what the committed one found."""

import json
from functools import partial

import numpy as np
import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import hits_at_1, ppl
from pipeline.evaluation.records.metric import percent, ratio
from pipeline.evaluation.schemas.base import parse
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.studies.population import Population, observe, observed, skewed
from pipeline.evaluation.studies.schemas import PersonaSums
from pipeline.evaluation.studies.simulation import (
    Condition,
    StudySize,
    conditions,
    crossed_coverage,
    interval_coverage,
    rejection_rates,
    tabulate,
)
from tests.support.commands import run_command
from tests.support.prediction_builder import full
from tests.support.predictions_on_disk import write_predictions
from tests.wiring.closure import ROOT


SMALL = StudySize(runs=200, samples=200, sizes=(20,), seed=0)


def normal(size=4000, correlation=0.5):
    generator = np.random.default_rng(0)
    shared = generator.normal(size=size)
    rest = np.sqrt(1 - correlation**2)
    a, b = (correlation * shared + rest * generator.normal(size=size) + 5 for _ in range(2))
    ones = np.ones(size)
    return Population("normal", np.stack([a, ones], 1), np.stack([b, ones], 1), ratio)


# --- Populations ----------------------------------------------------------------------------------


def variant(shift=0.0, hit=True):
    return [
        full(hit=hit, task_id=f"p{n}", turn=turn, nll=float(n) + shift)
        for n in range(3)
        for turn in range(n + 1)
    ]


def test_an_observed_population_is_the_personas_sums_and_its_truth_the_metric():
    a, b = variant(), variant(1.0, hit=False)
    found = {p.name: p for p in observed(observe(("a", "b"), a, b))}
    assert found["ppl"].truth == pytest.approx(ppl(a))
    assert found["hits_at_1"].truth == hits_at_1(a) == 100
    assert found["hits_at_1"].differences.tolist() == [100.0] * 3
    assert found["nats_per_token"].a[:, 1].tolist() == [4.0, 8.0, 12.0]
    assert found["nats_per_token"].differences == pytest.approx([-1 / 4] * 3)


def test_replies_that_one_variant_lacks_are_left_out_and_nothing_in_common_is_refused():
    content = observe(("a", "b"), variant(), variant()[:-1])
    assert (content.personas, content.replies) == (3, 5)
    with pytest.raises(DataError, match="a and b share no held-out reply"):
        observe(("a", "b"), variant(), [full(dialogue_id="other")])


def test_what_is_no_population_is_refused():
    with pytest.raises(DataError, match=r"sums.json: variants: not as its stage"):
        parse(PersonaSums, {"sums": {}}, "sums.json")
    content = {"variants": ["a", "b"], "personas": 1, "replies": 1, "sums": {"wit": [[], []]}}
    with pytest.raises(DataError, match="wit: one of the metrics nats_per_token, ppl"):
        observed(parse(PersonaSums, content, "sums.json"))


def test_the_skewed_populations_have_the_skewness_that_they_are_named_after():
    exponential, lognormal = skewed()
    assert exponential.truth == pytest.approx(1.0, abs=0.001)
    assert lognormal.truth == pytest.approx(np.exp(0.5), rel=0.001)
    values = exponential.a[:, 0]
    third = np.mean((values - values.mean()) ** 3) / np.std(values) ** 3
    assert third == pytest.approx(2, abs=0.05)
    assert abs(np.mean(exponential.differences)) < 1e-9


# --- What is counted ------------------------------------------------------------------------------


def test_an_interval_that_is_always_right_and_one_that_never_is():
    rows = np.tile([3.0, 2.0], (5, 1))
    same = Population("same", rows, rows, ratio)
    found = interval_coverage(same, 10, SMALL)
    assert (found["used"], found["used_width"]) == (100, 0)
    # The truth of this "metric" is a sum over the population, which no sample comes near.
    wrong = Population("wrong", rows, rows, lambda sums: sums[..., 0])
    found = interval_coverage(wrong, 10, SMALL)
    assert (found["used"], found["used_low"], found["percentile_low"]) == (0, 100, 100)


def test_normal_means_are_covered_and_percentiles_are_too_narrow():
    found = interval_coverage(normal(), 15, StudySize(runs=1000, samples=400))
    assert 93 < found["used"] < 97
    assert found["percentile"] < found["used"] - 1
    assert found["used"] == pytest.approx(100 - found["used_low"] - found["used_high"])


def test_the_paired_test_rejects_5_percent_of_what_is_true_and_80_of_what_it_can_show():
    found = rejection_rates(normal(), 30, StudySize(runs=1000, samples=400))
    assert 3.5 < found["exchangeable"] < 6.5  # two standard errors
    assert 3.5 < found["mean_zero"] < 6.5
    assert found["power"] == pytest.approx(80, abs=3.5)
    assert 93 < found["d_z"] < 97


def test_seeds_that_differ_are_covered_by_the_crossed_interval_alone():
    found = crossed_coverage(normal(), 30, 0.5, StudySize(runs=400, samples=200))
    assert found["crossed"] > 92.5
    assert found["personas_only"] < found["pigeonhole"] < 90
    alike = crossed_coverage(normal(), 30, 0.0, StudySize(runs=400, samples=200))
    assert min(alike["crossed"], alike["personas_only"]) > 91


def test_a_cell_does_not_depend_on_the_others():
    population = normal(50)
    planned = conditions([population], [], SMALL)
    assert [cell.table for cell in planned] == ["intervals", "tests"]  # not a compared metric
    assert planned[0].row(SMALL) == planned[0].row(SMALL)
    assert planned[1].row(SMALL) == Condition("tests", population, 20).row(SMALL)
    found = tabulate(planned, [{"personas": 1}, {"personas": 2}], SMALL)
    assert found["intervals"] == [{"personas": 1}]
    assert (found["runs"], found["samples"]) == (200, 200)


def test_the_study_asks_the_functions_that_score(monkeypatch):
    """A narrower interval in the scoring code is a lower coverage in the study."""
    monkeypatch.setattr(
        "pipeline.evaluation.statistics.percentiles.expanded_quantile", lambda *_: 1.0
    )
    assert interval_coverage(normal(), 20, SMALL)["used"] < 80
    assert Bootstrap(200, 0).bounds([np.array([1.0, 2.0])] * 3, percent, "x") == (50, 50)


# --- The command, and what it found ---------------------------------------------------------------


command = partial(run_command, "simulate")


def test_the_command_observes_two_variants_and_prints_and_writes_the_study(tmp_path):
    files = []
    for name, shift in (("first", 0.0), ("second", 0.3)):
        records = [
            record.model_copy(update=change)
            for change in ({}, {"split": "valid"})
            for record in variant(shift)
        ]
        own = sorted(records, key=lambda record: (record.split, record.task_id))
        epochs = [r.model_copy(update={"epoch": epoch}) for r in own for epoch in (0, 1)]
        write_predictions(tmp_path, name, epochs)
        files.append(tmp_path / artifacts.predictions_file(name))
    people, out = tmp_path / "people.json", tmp_path / "out.json"
    options = ["--runs", "2", "--population", str(people), "--out", str(out)]
    done = command(*options, *map(str, files))
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["variants"] == ["first", "second"]
    assert found["made_from"] == {"population": artifacts.sha256_of(people)}
    said = json.loads(people.read_text())["made_from"]["predictions"]
    assert said == {path.stem: artifacts.sha256_of(path) for path in files}
    assert {row["personas"] for row in found["tests"]} == {16, 50, 100}
    assert {row["seed_spread"] for row in found["crossed"]} == {0.0, 0.1, 0.2, 0.5}
    assert "percent of runs that reject" in done.stdout
    done = command(*options, str(files[0]))
    assert done.returncode == 1
    assert "1 predictions files; give two variants', or none" in done.stderr
    write_predictions(tmp_path, "second", epochs, tasks="f" * 64)
    done = command(*options, *map(str, files))
    assert done.returncode == 1
    assert "first and second were predicted with different tasks" in done.stderr


COMMITTED = json.loads((ROOT / "studies/simulation/simulation.json").read_text())


def promised(table):
    """The rows that the documents promise something for: observed metrics, 50 personas or more."""
    rows = [row for row in COMMITTED[table] if row["personas"] >= 50]
    return [row for row in rows if "skewness" not in row["population"]]


def test_the_committed_study_is_large_enough_and_keeps_what_the_documents_promise():
    assert COMMITTED["runs"] >= 2000
    assert [len(promised(table)) for table in ("intervals", "tests", "crossed")] == [10, 10, 24]
    assert all(93 <= row["used"] <= 97 for row in promised("intervals"))
    for row in promised("tests"):
        assert 4 <= row["mean_zero"] <= 6, row
        assert row["exchangeable"] <= 6, row
    assert all(94 <= row["crossed"] <= 98 for row in promised("crossed"))
    assert min(row["pigeonhole"] for row in promised("crossed")) < 85


def test_the_committed_study_can_be_repeated():
    """One row, from the committed personas: the same numbers as in the file."""
    people = PersonaSums.model_validate_json(
        (ROOT / "studies/simulation/persona_sums.json").read_text()
    )
    (population,) = (p for p in observed(people) if p.name == "hits_at_1")
    study = StudySize(runs=COMMITTED["runs"], samples=COMMITTED["samples"], seed=COMMITTED["seed"])
    (expected,) = (
        row
        for row in COMMITTED["tests"]
        if (row["population"], row["personas"]) == ("hits_at_1", 50)
    )
    assert rejection_rates(population, 50, study) == pytest.approx(expected, abs=0.1)

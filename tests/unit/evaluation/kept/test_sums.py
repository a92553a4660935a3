"""A study's intervals come again from its committed files: `sums/VARIANT.csv` and `params.yaml`."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline import artifacts
from pipeline.evaluation.kept.keep import keep
from pipeline.evaluation.records.metric import exp_ratio, percent
from pipeline.evaluation.scoring.details import score_variant
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from tests.support import many_predictions
from tests.support.one_run import scored_from
from tests.wiring.closure import ROOT


NAME = "in_place"
BOOTSTRAP = Bootstrap(400, 0)


@pytest.fixture(scope="module", params=[(0,), (0, 1)], ids=["one seed", "two seeds"])
def study(tmp_path_factory, request) -> Path:
    """A study kept of a run: 14 persons, every protocol, some without a prompt that fits."""
    run = tmp_path_factory.mktemp("run")
    shutil.copy(ROOT / "presets/embedded.yaml", run / "params.yaml")
    sizes: dict[tuple[str, str, int], int] = {}  # a reply has the same tokens in every setting
    records = [
        r.model_copy(
            update={
                "num_tokens": sizes.setdefault((r.task_id, r.dialogue_id, r.turn), r.num_tokens)
            }
        )
        for r in many_predictions.records(14, request.param)
        if r.protocol != "in_context" or r.task_id[-1] in "02468"
    ]
    artifacts.write_records(run / artifacts.predictions_file(NAME), records)
    scores = score_variant(records, BOOTSTRAP)
    artifacts.write_text(run / artifacts.kshot_file(NAME), scores.kshot)
    made_from = scored_from(
        NAME, predictions=artifacts.sha256_of(run / artifacts.predictions_file(NAME))
    )
    whole = scores.details.content() | {
        "made_from": made_from,
        "kshot_csv": artifacts.sha256_of(run / artifacts.kshot_file(NAME)),
    }
    artifacts.write_json(run / artifacts.details_file(NAME), whole)
    keep(run, run / "studies/mine")
    return run / "studies/mine"


def sums_of(study):
    """The rows, added up over seeds: one of each person, in the order of their names."""
    persons: dict[str, dict[str, float]] = {}
    with (study / f"sums/{NAME}.csv").open() as file:
        for row in csv.DictReader(file):
            sums = persons.setdefault(row.pop("persona"), {})
            row.pop("seed")
            for name, value in row.items():
                sums[name] = sums.get(name, 0.0) + float(value or "nan")
    return [persons[name] for name in sorted(persons)]


def bounds(rows, combine, *columns):
    sums = np.array([[row[name] for name in columns] for row in rows])
    return (float(combine(sums.sum(0))), *BOOTSTRAP.bounds(sums, combine, "recomputed"))


def fall(rows, higher, lower, tokens="tokens"):
    values = np.array([(row[higher] - row[lower]) / row[tokens] for row in rows])
    estimate = BOOTSTRAP.mean_of(values, "recomputed")
    return estimate.value, estimate.low, estimate.high


def test_every_interval_that_is_kept_comes_again(study):
    kept = json.loads((study / f"metrics/{NAME}.json").read_text())
    rows, epoch = sums_of(study), kept["headline"]["epoch"]
    recomputed = {
        ("metrics", "ppl"): bounds(rows, exp_ratio, f"own@{epoch}", "tokens"),
        ("before_adaptation", "ppl"): bounds(rows, exp_ratio, "own@0", "tokens"),
        ("metrics", "hits_at_1"): bounds(rows, percent, "hits_at_1", "replies"),
        ("metrics", "f1"): bounds(rows, percent, "f1", "replies"),
        ("gain",): fall(rows, "own@0", f"own@{epoch}"),
        ("swap_gain",): fall(rows, "own@0", f"swap@{epoch}"),
        ("swap_gap",): fall(rows, f"swap@{epoch}", f"own@{epoch}"),
        **{("k_shot", "gain", k): fall(rows, "k0", f"k{k}", "k_tokens") for k in ("1", "3", "8")},
        ("k_shot", "behind_fine_tuning", "8"): fall(rows, "prompt_k8", "k8", "k_tokens"),
    }
    assert len(recomputed) == 11
    for path, found in recomputed.items():
        node = kept
        for key in path:
            node = node[key]
        said = (node["value"], node["low"], node["high"])
        assert found == pytest.approx(said, rel=1e-5, abs=1e-5), path


def test_the_dialogues_that_fit_into_the_prompts_come_again(study):
    kept = json.loads((study / f"metrics/{NAME}.json").read_text())["k_shot"]["prompted"]
    rows = sums_of(study)
    for k, mean in kept.items():
        replies = sum(row["k_replies"] for row in rows)
        assert sum(row[f"fit_k{k}"] for row in rows) / replies == pytest.approx(mean)
    assert kept["8"] < 1


def test_keeping_a_study_again_keeps_its_sums(study, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(study, again)
    keep(study, again)
    assert (again / f"sums/{NAME}.csv").read_bytes() == (study / f"sums/{NAME}.csv").read_bytes()

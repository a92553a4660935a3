"""Files of two runs in one report or table, and files older than what they belong to: refused."""

import json
import shutil

import pytest

from pipeline import artifacts
from pipeline.evaluation.kept.keep import keep
from pipeline.model.files.variant_record import read_variant
from pipeline.strict_json import SEAL
from stages.commands.samples import samples
from stages.commands.table import table
from stages.report import report
from tests.support.one_run import write
from tests.support.toy_project import toy_params, write_tasks
from tests.support.whole_run import FACTS, NAMES, ask, predict, project, refused


__all__ = ["project"]

of_a_run = pytest.mark.parametrize("command", [report, table])  # what reads metrics of one run


def test_a_whole_run_is_shown_and_kept(project):
    table()
    keep(project, project / "studies/mine")
    kept = json.loads((project / "studies/mine/metrics/in_place.json").read_text())
    assert kept["made_from"]["predictions"] == artifacts.sha256_of(
        artifacts.predictions_file("in_place")
    )
    keep(project / "studies/mine", project / "studies/mine")


def test_every_file_says_what_it_was_made_from(project):
    tasks, base = artifacts.sha256_of(artifacts.TASKS), artifacts.sha256_of(artifacts.BASE)
    predictions = {n: artifacts.sha256_of(artifacts.predictions_file(n)) for n in NAMES}
    details = artifacts.read_json(artifacts.details_file("in_place"), made_by="score")
    assert details["kshot_csv"] == artifacts.sha256_of(artifacts.kshot_file("in_place"))
    assert details["made_from"] == {
        "variant": "in_place",
        "tasks": tasks,
        "base": base,
        "predictions": predictions["in_place"],
        "models": {"0": artifacts.sha256_of(artifacts.model_dir("in_place", 0))},
        "params": {key: toy_params()["score"][key] for key in ("bootstrap_samples", "seed")},
        "made_with": {
            **read_variant("in_place", 0).made_with(),
            "seeds": [0],
            "finetune": {"epochs": [0, 1], "k": []},
        },
    }
    comparison = artifacts.read_json(artifacts.COMPARISON, made_by="compare")["made_from"]
    assert comparison.pop("params")["permutations"] == toy_params()["compare"]["permutations"]
    assert comparison == {"tasks": tasks, "base": base, "predictions": predictions}


@pytest.mark.parametrize("command", [report, table, samples])
def test_tasks_that_changed_after_the_predictions(project, command):
    write_tasks(project, "test", 4)
    refused(
        lambda: command(**({"count": 1, "seed": 0, "out": None} if command is samples else {})),
        ".json: belongs to a data/tasks of SHA-256 ",
        "…, now it is ",
        "run `python -m stages.finetune ",
    )


@pytest.mark.parametrize("command", [report, table, "keep"])
def test_tasks_of_another_corpus_than_was_fetched_since(project, command):
    """After `dvc repro -f download` of a corpus that has changed, and nothing else."""
    summary = artifacts.read_json(artifacts.TASKS_SUMMARY, made_by="tasks")
    summary = {key: value for key, value in summary.items() if key != SEAL}
    artifacts.write_sealed(artifacts.TASKS_SUMMARY, summary | {"source": {"files": {"x": "old"}}})
    artifacts.write_json(artifacts.RAW_SOURCE, {"files": {"x": "new"}})
    refused(
        lambda: ask(project, command),
        "data/tasks: made from another data/raw than the one that is there",
        "run `python -m stages.tasks` and what follows it (or `dvc repro`)",
    )


@of_a_run
def test_details_older_than_the_predictions(project, command):
    predict(project, "transfer", shift=1.0)
    refused(
        command,
        "metrics/details/transfer.json: belongs to a predictions/transfer.jsonl of SHA-256 ",
        "…, now it is ",
        "run `python -m stages.score transfer` (or `dvc repro`)",
    )


@of_a_run
def test_details_of_another_run(project, command):
    """Where predictions are not there, as in a clone, the rows must still be of one run."""
    shutil.rmtree(artifacts.PREDICTIONS)
    shutil.rmtree(artifacts.BASE.parent / "transfer")
    path = artifacts.details_file("transfer")
    said = json.loads(path.read_text())["made_from"]
    write(path, made_from=said | {"tasks": "f" * 64})
    refused(command, "details/transfer.json: belongs to a data/tasks of SHA-256 ffffffffffff…")
    for split in artifacts.SPLITS:
        artifacts.tasks_file(split).unlink()
    if command is table:
        shutil.rmtree(artifacts.TASKS)
        refused(
            command,
            "metrics/details/in_place.json: belongs to a data/tasks of SHA-256 ",
            "…, metrics/details/transfer.json to one of ffffffffffff…; run `python -m stages.score",
        )


@of_a_run
def test_another_variants_details(project, command):
    shutil.copy(artifacts.details_file("transfer"), artifacts.details_file("in_place"))
    refused(command, "details/in_place.json: of variant 'transfer', not of 'in_place'; run ")


@of_a_run
def test_points_of_fig_3_of_another_run(project, command):
    path = artifacts.kshot_file("in_place")
    path.write_text(path.read_text() + "9" + ",1" * 10 + "\n")
    refused(command, "belongs to a metrics/kshot/in_place.csv of SHA-256 ", "stages.score in_place")


@of_a_run
def test_theta_of_another_base(project, command):
    artifacts.write_json(artifacts.BASE_FACTS, FACTS | {"num_parameters": 5})
    refused(
        command,
        "/seed-0/variant.json: belongs to a models/base of SHA-256 ",
        "run `python -m stages.",
    )


def test_a_model_trained_again_after_the_predictions(project):
    (artifacts.model_dir("transfer", 0) / "history.csv").write_text("step,loss\n1,2.0\n")
    refused(
        report,
        "predictions/transfer.json: belongs to a models/transfer/seed-0 of SHA-256 ",
        "run `python -m stages.finetune transfer` (or `dvc repro`)",
    )


@of_a_run
def test_floors_of_another_base(project, command):
    said = json.loads(artifacts.FLOORS.read_text())["made_from"]
    write(artifacts.FLOORS, made_from=said | {"base": "e" * 64})
    refused(command, "floors.json: belongs to a models/base of SHA-256 eeee", "stages.floors`")


def test_a_comparison_of_other_predictions(project):
    said = json.loads(artifacts.COMPARISON.read_text())["made_from"]
    other = said["predictions"] | {"transfer": "a" * 64}
    write(artifacts.COMPARISON, made_from=said | {"predictions": other})
    refused(report, "comparison.json: belongs to a predictions/transfer.jsonl", "stages.compare`")


MADE_BY = "finetune transfer makes its predictions"


@pytest.mark.parametrize(
    ("variants", "what"),
    [
        (["in_place"], f"without 'transfer', which is scored ({MADE_BY})"),
        ([*NAMES, "x"], "with 'x', which is not scored"),
    ],
)
def test_a_comparison_of_other_variants(project, variants, what):
    write(artifacts.COMPARISON, variants=variants)
    refused(report, f"comparison.json: compares {what}; run `python -m stages.compare`")


@pytest.mark.parametrize("file", [artifacts.details_file("transfer"), artifacts.FLOORS])
def test_a_file_that_does_not_say_what_it_was_made_from(project, file):
    content = json.loads(file.read_text())
    del content["made_from"], content[SEAL]
    artifacts.write_sealed(file, content)
    refused(report, f"{file}: made_from: not as its stage writes it; run `python -m stages.")
    refused(lambda: keep(project, project / "studies/mine"), f"{file}: does not say what it was")


def test_a_run_of_an_older_version_is_kept(project):
    for path in artifacts.DETAILS.glob("*.json"):
        content = json.loads(path.read_text())
        del content["made_from"]
        content.pop(SEAL, None)
        artifacts.write_json(path, content)
    keep(project, project / "studies/mine")


def test_a_run_of_two_parts_is_not_kept(project):
    predict(project, "transfer", shift=1.0)
    refused(lambda: keep(project, project / "studies/mine"), "transfer.jsonl of SHA-256 ")
    assert not (project / "studies").exists()

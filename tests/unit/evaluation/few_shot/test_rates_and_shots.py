"""`stages.rates`, `shots` and `conflict` at toy size: who is read, what is written and used."""

import csv
import json
import math

import numpy as np
import pytest

from pipeline import artifacts
from pipeline.atomic import only_run
from pipeline.errors import BusyError, DataError, MissingFileError, ParamsError
from pipeline.evaluation.few_shot.shots import ShotSums, shots_file
from pipeline.evaluation.predict import inputs
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.report.samples.few_shot import FewShotReplies, replies_file
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.studies.conflict import Curve
from pipeline.params import Settings
from pipeline.processes.workers import Workers
from stages.commands.samples import samples
from stages.few_shot.conflict import conflict
from stages.few_shot.rates import rates
from stages.few_shot.replies import replies
from stages.few_shot.shots import Strangers, shots
from stages.studies.tune import tune
from tests.support.toy_project import (
    run_stage,
    toy_params,
    write_params,
    write_project,
    write_tasks,
)


PAIR = ("transfer", "in_place")


def params():
    found = toy_params()
    found["scored"] = [*PAIR]
    found["finetune"] |= {"epochs": [0, 1, 2], "in_context": True}
    found["tune"]["finetune"] = {"sgd": [0.01], "adam": [0.0001, 0.1]}
    return found


@pytest.fixture
def folder(tmp_path, tokenizer, monkeypatch):
    """A project with a trained pair, whose test tasks nobody can read."""
    write_project(tmp_path, tokenizer, params())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "1")
    assert run_stage(tmp_path, "train", "transfer", "0") == 0
    assert run_stage(tmp_path, "meta_train", "in_place", "0") == 0
    (tmp_path / artifacts.tasks_file("test")).write_text("this is no record\n")
    return tmp_path


def test_a_second_run_of_what_runs_already_is_told_at_once(folder):
    """Both would write the same file; nothing of the first's is touched."""
    for command, path in (
        (rates, artifacts.tuning_file("transfer_by_k")),
        (shots, shots_file("transfer")),
        (tune, artifacts.tuning_file("transfer")),
    ):
        with only_run(path), pytest.raises(BusyError, match=f"another run is writing {path}"):
            command("transfer")
    assert not list(folder.glob(f"{artifacts.CHECKPOINTS}/*"))


def test_tasks_that_are_replaced_meanwhile_are_refused(folder, monkeypatch):
    whole = Workers.map

    def then_replaced(*args):
        records = whole(*args)
        with artifacts.tasks_file("valid").open("a") as file:
            file.write("\n")
        return records

    monkeypatch.setattr(Workers, "map", then_replaced)
    with pytest.raises(DataError, match=r"^data/tasks: replaced while it was read"):
        rates("transfer")
    assert not artifacts.tuning_file("transfer_by_k").exists()


def test_what_is_scored_is_kept_until_the_out_is_written(folder, monkeypatch):
    """A kill in the last of six rates costs no other: the second run scores nobody."""
    with monkeypatch.context() as patched:
        patched.setattr("stages.few_shot.rates.chosen", lambda _: [][0])
        with pytest.raises(IndexError):
            rates("transfer")
    assert len([*folder.glob(f"{artifacts.CHECKPOINTS}/*.jsonl")]) == 3
    with monkeypatch.context() as patched:
        patched.setattr("stages.few_shot.kshot_records.shots", None)
        rates("transfer")
    with artifacts.tuning_file("transfer_by_k").open() as file:
        (said,) = {(r["valid"], r["base"], r["made_with"]) for r in csv.DictReader(file)}
    read_files = (artifacts.tasks_file("valid"), artifacts.BASE)
    assert said[:2] == tuple(map(artifacts.sha256_of, read_files))
    shared = json.loads(said[2])["finetune"]
    assert shared == Settings.load().check().finetune.model_dump(include={*shared}) != {}
    assert not [*folder.glob(f"{artifacts.CHECKPOINTS}/*.jsonl")]


def test_with_dialogues_in_the_prompt_k_0_is_scored_too(folder):
    """It stands in for a reply before which no dialogue fits."""
    write_tasks(folder, "test", 2)
    shots("transfer", only=[1])
    found = read(shots_file("transfer"), ShotSums, made_by="shots")
    assert (sorted(found.tuned), sorted(found.prompted)) == ([0, 1], [1])
    of_finetune = inputs.made_from("transfer", inputs.finetune_params("transfer"))
    assert found.made_from.made_with == of_finetune["made_with"] != {}
    without = params()
    without["finetune"]["in_context"] = False
    write_params(folder, without)
    shots("transfer", only=[1])
    assert sorted(read(shots_file("transfer"), ShotSums, made_by="shots").tuned) == [1]


@pytest.mark.slow
def test_the_chain_from_valid_to_the_curve(folder, capsys):
    for name in PAIR:
        rates(name, write=True)
    said = capsys.readouterr()
    assert "In finetune.by_k:" in said.out
    with artifacts.tuning_file("transfer_by_k").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2  # rates, each at two numbers of epochs, at K = 1
    best = min(rows, key=lambda row: float(row["valid_nats"]))
    (chosen,) = [row for row in rows if row["chosen"] == "true"]
    assert chosen == best
    (own,) = Settings.load().check().finetune.by_k["transfer"]
    expected = (1, best["optimizer"], float(best["lr"]), int(best["epochs"]))
    assert (own.k, own.optimizer, own.lr, own.epochs) == expected

    write_tasks(folder, "test", 2)
    for name in PAIR:
        shots(name)
    found = read(shots_file("transfer"), ShotSums, made_by="shots")
    assert (len(found.personas), sorted(found.tuned)) == (2, [0, 1])
    assert found.by_k == [own]

    shots("transfer", strangers=Strangers.GRADIENT)
    shots("transfer", strangers=Strangers.PROMPT)
    with_strangers = read(shots_file("transfer"), ShotSums, made_by="shots")
    assert with_strangers.tuned == found.tuned
    for own, other in (
        (found.tuned, with_strangers.stranger),
        (found.prompted, with_strangers.stranger_prompted),
    ):
        assert [*other] == [1]
        assert np.array(other[1])[..., 1].tolist() == np.array(own[1])[..., 1].tolist()
        assert np.array(other[1])[..., 0].tolist() != np.array(own[1])[..., 0].tolist()

    conflict([folder], study=folder / "study")
    curve = read(folder / "study" / "curve.json", Curve, made_by="conflict")
    assert [(one.conflict, one.k) for one in curve.gains] == [(0.0, 0), (0.0, 1)]
    assert all(one.p is None for one in curve.gains)  # one seed decides nothing
    assert (folder / "study" / "gain.svg").is_file()
    conflict([], study=folder / "study")  # from what is kept
    assert read(folder / "study" / "curve.json", Curve, made_by="conflict") == curve


@pytest.mark.slow
def test_replies_before_and_after_the_dialogues_side_by_side(folder, capsys):
    """At a rate that ruins the model it says something else; before, what `finetune` says."""
    write_tasks(folder, "test", 2)
    changed = params()
    ruin = {"k": 1, "optimizer": "adam", "lr": 5.0, "epochs": 2}
    changed["finetune"]["by_k"] = {"transfer": [ruin]}
    write_params(folder, changed)
    for name in PAIR:
        replies(name, people=2)
    files = [replies_file(name) for name in PAIR]
    one, other = (read(path, FewShotReplies, made_by="replies") for path in files)
    assert (one.k, one.epochs, len(one.replies)) == (1, 2, 2)
    assert all(said.before.greedy != said.after.greedy for said in one.replies)
    places = [(said.dialogue_id, said.turn) for said in one.replies]
    assert places == [(said.dialogue_id, said.turn) for said in other.replies]

    assert run_stage(folder, "finetune", "in_place") == 0
    predicted = [
        record
        for record in predictions_file.read("in_place")
        if (record.protocol, record.k, record.split) == ("k_shot", 0, "test")
    ]
    by_place = {(record.dialogue_id, record.turn): record for record in predicted}
    for said in other.replies:
        record = by_place[said.dialogue_id, said.turn]
        assert (said.before.sampled, said.before.greedy) == (record.response, record.greedy)

    capsys.readouterr()
    samples(count=5, replies=files, out=folder / "samples.md")
    shown = (folder / "samples.md").read_text()
    assert shown.count("| `transfer` |") == shown.count("| `in_place` |") == 4
    write_tasks(folder, "test", 1)
    with pytest.raises(
        DataError,
        match=r"belongs to a data/tasks of SHA-256 .*; run `python -m stages.replies transfer`$",
    ):
        samples(count=5, replies=files)


@pytest.mark.slow
def test_the_chosen_rate_is_the_one_that_is_used(folder):
    """At a rate that ruins the model, the loss after K = 1 is far above that of K = 0."""
    write_tasks(folder, "test", 2)
    changed = params()
    ruin = {"k": 1, "optimizer": "adam", "lr": 5.0, "epochs": 2}
    changed["finetune"]["by_k"] = {"transfer": [ruin]}
    write_params(folder, changed)
    shots("transfer")
    found = read(shots_file("transfer"), ShotSums, made_by="shots")
    assert found.nats(1).mean() > found.nats(0).mean() + 2


@pytest.mark.slow
def test_fine_tuning_for_fig_3_takes_the_rate_and_the_epochs_of_its_k(folder):
    """`finetune` with candidates and `shots` without end at the same likelihoods."""
    write_tasks(folder, "test", 2)
    changed = params()
    own = {"k": 1, "optimizer": "adam", "lr": 0.05, "epochs": 1}
    changed["finetune"]["by_k"] = {"transfer": [own], "in_place": [own | {"lr": 9.0}]}
    write_params(folder, changed)
    assert run_stage(folder, "finetune", "transfer") == 0
    assert run_stage(folder, "score", "transfer") == 0
    details = artifacts.read_json(artifacts.details_file("transfer"), made_by="score")
    point = details["k_shot"]["points"]["1"]
    assert point["epoch"] == 1
    assert [*point["gain_by_epoch"]] == ["1"]
    shots("transfer")
    found = read(shots_file("transfer"), ShotSums, made_by="shots")
    nats, tokens = np.array(found.tuned[1]).sum(axis=(0, 1))
    assert math.log(point["metrics"]["ppl"]["value"]) == pytest.approx(nats / tokens, abs=1e-5)
    assert abs(found.nats(1) - found.nats(0)).min() > 1e-3


def test_what_is_missing_is_said(tmp_path, monkeypatch, tokenizer):
    monkeypatch.chdir(tmp_path)
    changed = params()
    changed["tune"]["finetune"] = None
    write_project(tmp_path, tokenizer, changed)
    with pytest.raises(ParamsError, match=r"tune\.finetune: missing"):
        rates("transfer")
    with pytest.raises(MissingFileError):
        shots("transfer")
    with pytest.raises(ParamsError, match=r"params.yaml: not found; a run's folder"):
        conflict([tmp_path / "nowhere"], study=tmp_path / "study")

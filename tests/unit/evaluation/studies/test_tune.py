"""`stages.tune` at toy size: the stages' own numbers, no test task read, nothing done twice."""

import csv
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.errors import DivergedError, MissingFileError, ParamsError, TrainingError
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.studies.tuning import criterion
from pipeline.model.files.variant_record import VariantFile
from stages.shell import console, trial
from stages.studies.tune import tune
from tests.support.toy_project import (
    run_stage,
    toy_params,
    write_params,
    write_project,
    write_tasks,
)
from tests.wiring.closure import ROOT


VARIANT = "in_place"


def tuning_params():
    params = toy_params()
    params["seeds"] = [0, 1]
    params["tune"] |= {"trials": 2, "seed": 1}
    return params


@pytest.fixture
def folder(tmp_path, tokenizer, monkeypatch):
    """A project whose test tasks nobody can read."""
    write_project(tmp_path, tokenizer, tuning_params())
    (tmp_path / artifacts.tasks_file("test")).write_text("this is no record\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "1")
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    """The stages that were started, in order; they run in forks, quicker than as commands."""
    names = []

    def counted(where, *command):
        names.append(command[0])
        code = run_stage(where, *command)
        if code not in (0, DivergedError.exit_code):
            raise TrainingError(f"stages.{' '.join(command)} ended with exit code {code}")
        return code == 0

    monkeypatch.setattr(trial, "_stage", counted)
    return names


def rows(folder):
    with (folder / artifacts.tuning_file(VARIANT)).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_trials_are_not_done_twice_and_leave_models_alone(folder, started, capsys):
    tune(VARIANT)
    first = rows(folder)
    assert started == ["meta_train", "finetune"] * 2
    assert f"{VARIANT}_tuned: {{init: pretrained, set: {{outer_lr:" in capsys.readouterr().out
    assert not list((folder / artifacts.CHECKPOINTS).rglob("*.safetensors"))
    assert [path.name for path in (folder / "models").iterdir()] == ["base"]

    (folder / artifacts.tuning_file(VARIANT)).unlink()
    params = tuning_params()
    params["tune"]["trials"] = 3
    params["score"]["bootstrap_samples"] = 107  # nothing that a trial reads
    write_params(folder, params)
    tune(VARIANT)
    assert started == ["meta_train", "finetune"] * 3
    again = rows(folder)
    assert [list(row) for row in again[:2]] == [list(row) for row in first]
    same = [{k: v for k, v in row.items() if k != "chosen"} for row in again[:2]]
    assert same == [{k: v for k, v in row.items() if k != "chosen"} for row in first]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "method"), [("in_place", "meta_train"), ("transfer", "train")])
def test_the_printed_row_runs_and_is_the_chosen_trial(folder, started, capsys, name, method):
    """Pasted as it is printed, on readable test tasks, through every stage to its metrics."""
    tune(name)
    printed = capsys.readouterr().out.splitlines()[-1]
    params = tuning_params()
    params["seeds"] = [1]
    params["variants"] |= YAML(typ="safe", pure=True).load(printed)
    write_params(folder, params)
    write_tasks(folder, "test", 1)
    tuned = f"{name}_tuned"
    for stage, *rest in ((method, "1"), ("finetune",), ("score",)):
        assert run_stage(folder, stage, tuned, *rest) == 0, stage

    with (folder / artifacts.tuning_file(name)).open() as file:
        trials = list(csv.DictReader(file))
    assert len({row["valid_nats"] for row in trials}) == len(trials)  # each at its own point
    (best,) = (row for row in trials if row["chosen"] == "true")
    path = folder / artifacts.predictions_file(tuned)
    records = artifacts.read_records(path, Prediction, made_by="finetune")
    epoch, nats = criterion(records)
    assert (best["epoch"], best["valid_nats"]) == (str(epoch), str(nats))
    found = artifacts.read_json(artifacts.model_dir(tuned, 1) / "variant.json", made_by="x")
    record = VariantFile.model_validate(found)
    assert record.axes.set["finetune.lr"] == float(best["finetune.lr"])
    for column in ("steps", "best_step", "replies", "outer_replies", "operations"):
        assert best[column] == str(getattr(record, column))
    assert {"f1", "hits_at_1", "ppl"} == set(
        artifacts.read_json(artifacts.metrics_file(tuned), made_by="score")
    )


@pytest.mark.slow
def test_a_rate_that_diverges_is_a_trial_that_lost(folder, started):
    params = tuning_params()
    params["tune"]["meta_train"] = {"inner_lr": [0.1, 1e30]}
    write_params(folder, params)
    tune(VARIANT)
    assert started == ["meta_train", "finetune", "meta_train"]
    kept, lost = rows(folder)
    assert (lost["valid_nats"], lost["epoch"], lost["steps"]) == ("inf", "", "")
    assert (kept["chosen"], lost["chosen"]) == ("true", "false")
    assert 0 < float(kept["valid_nats"]) < float("inf")


@pytest.mark.parametrize(("code", "came_through"), [(0, True), (DivergedError.exit_code, False)])
def test_a_trial_runs_a_stages_command(tmp_path, monkeypatch, code, came_through):
    """The command itself, of a quick stage; its exit code says whether it came through."""
    monkeypatch.setenv("DVC_ROOT", "the user's own")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / artifacts.RAW).mkdir(parents=True)
    codes = []

    def ended(process):
        codes.append(process.wait())
        return code

    monkeypatch.setattr(trial, "_exit_code", ended)
    assert trial._stage(tmp_path, "tasks") is came_through
    assert codes == [1]  # as it has no data


def test_a_stage_that_fails_is_named(tmp_path, capfd):
    with pytest.raises(TrainingError, match=r"stages.score x ended with exit code 1 in "):
        trial._stage(tmp_path, "score", "x")
    assert "params.yaml: not found" in capfd.readouterr().err


@pytest.mark.slow
def test_a_trial_that_was_cut_off_keeps_what_it_trained(folder, started, monkeypatch):
    """A stage that fails otherwise ends the command, and its trial is not taken for done."""
    params = tuning_params()
    params["tune"]["trials"] = 1
    write_params(folder, params)
    counted = trial._stage

    def broken(where, *command):
        return counted(where, *(("finetune", "nobody") if command[0] == "finetune" else command))

    with monkeypatch.context() as patch:
        patch.setattr(trial, "_stage", broken)
        with pytest.raises(TrainingError, match=r"finetune nobody ended with exit code 1"):
            tune(VARIANT)
    tune(VARIANT)
    assert started == ["meta_train", "finetune", "finetune"]


def test_what_is_missing_is_named(folder):
    params = tuning_params()
    params["variants"]["nowhere"] = {"init": "pretrained"}
    write_params(folder, params)
    with pytest.raises(ParamsError, match=r"'nowhere' stands in none of the lists"):
        tune("nowhere")
    (folder / artifacts.tasks_file("valid")).unlink()
    with pytest.raises(MissingFileError, match=r"valid.jsonl: not found; run .*stages.tasks"):
        tune(VARIANT)


TIDY = """
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path("tidied").touch(), sys.exit(143)))
pathlib.Path("begun").touch()
time.sleep(60)
"""
DIES = "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(60)"


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("stage", "ends"), [(TIDY, SystemExit), (DIES, KeyboardInterrupt)])
def test_a_stage_ends_before_the_command_that_is_told_to(tmp_path, monkeypatch, told, stage, ends):
    """One that is told by this command alone, and not by a terminal, is left some time."""
    monkeypatch.setattr(trial, "_PATIENCE", 0.1)
    before = signal.signal(signal.SIGTERM, console._terminated)
    process = subprocess.Popen([sys.executable, "-c", stage], cwd=tmp_path)

    def tell():
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), told)

    teller = threading.Thread(target=tell)
    teller.start()
    try:
        with pytest.raises(ends) as ended:
            trial._exit_code(process)
        assert process.returncode is not None
    finally:
        process.kill()
        process.wait()
        teller.join()
        signal.signal(signal.SIGTERM, before)
    if stage is TIDY:
        assert ended.value.code == 143
        assert (tmp_path / "tidied").exists()
    else:
        assert isinstance(ended.value, console.Terminated) == (told == signal.SIGTERM)

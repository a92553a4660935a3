"""`stages.tune` at toy size: the stages' own numbers, no test task read, nothing done twice."""

import csv

import pytest
from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.errors import MissingFileError, ParamsError, TrainingError
from pipeline.evaluation.prediction import Prediction
from pipeline.evaluation.tuning import criterion
from pipeline.model.gpt2_folder import write_gpt2
from pipeline.params import read_yaml
from pipeline.persona.task import PersonaTask
from stages import finetune, meta_train, trial
from stages.tune import tune
from tests.conftest import a_dialogue, tiny_gpt2
from tests.processes import run
from tests.wiring.closure import ROOT


VARIANT = "in_place"


def toy_params():
    params = read_yaml(ROOT / "params.yaml")
    params |= {"outer_steps": 4, "outer_batch_size": 2, "seeds": [0, 1]}
    params["meta_train"] |= {"validate_every": 2, "valid_episodes": 1}
    params["finetune"] |= {"epochs": [0, 1], "k": [0, 1]}
    params["finetune"]["max_folds"] = {"valid": 1, "test": 1}
    params["generate"]["max_new_tokens"] = 2
    params["tune"]["trials"] = 2
    params["tune"]["seed"] = 1
    return params


def write_params(folder, params):
    YAML().dump(params, folder / artifacts.PARAMS)


@pytest.fixture
def folder(tmp_path, tokenizer, monkeypatch):
    """A project whose test tasks nobody can read."""
    write_params(tmp_path, toy_params())
    (tmp_path / artifacts.PIPELINE).write_bytes((ROOT / artifacts.PIPELINE).read_bytes())
    for split, count in (("train", 3), ("valid", 2)):
        tasks = [
            PersonaTask(
                task_id=f"{split}{i}",
                split=split,
                dialogues=[a_dialogue(7 * i + j, turns=2) for j in range(3)],
            )
            for i in range(count)
        ]
        artifacts.write_records(tmp_path / artifacts.tasks_file(split), tasks)
    (tmp_path / artifacts.tasks_file("test")).write_text("this is no record\n")
    base = tmp_path / artifacts.BASE
    base.mkdir(parents=True)
    write_gpt2(tiny_gpt2(tokenizer, n_layer=1), base)
    tokenizer.save_pretrained(base)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "1")
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    """The stages that were started, in order."""
    names, real = [], trial._stage

    def counted(where, *command):
        names.append(command[0])
        return real(where, *command)

    monkeypatch.setattr(trial, "_stage", counted)
    return names


def rows(folder):
    with (folder / artifacts.tuning_file(VARIANT)).open() as file:
        return list(csv.DictReader(file))


def both_stages():
    meta_train.meta_train(VARIANT, 1)
    finetune.finetune(VARIANT)


@pytest.mark.slow
def test_trials_are_the_stages_themselves_and_are_not_done_twice(folder, started, capsys):
    tune(VARIANT)
    first = (folder / artifacts.tuning_file(VARIANT)).read_bytes()
    assert started == ["meta_train", "finetune"] * 2
    assert f"{VARIANT}_tuned: {{init: pretrained, set: {{outer_lr:" in capsys.readouterr().out
    assert not list((folder / artifacts.CHECKPOINTS).rglob("*.safetensors"))

    (folder / artifacts.tuning_file(VARIANT)).unlink()
    params = toy_params()
    params["tune"]["trials"] = 3
    params["score"]["bootstrap_samples"] = 7  # nothing that a trial reads
    write_params(folder, params)
    tune(VARIANT)
    assert started == ["meta_train", "finetune"] * 3
    assert (folder / artifacts.tuning_file(VARIANT)).read_bytes().startswith(first)

    # The stages by hand, with a test split that can be read, at the second trial's point.
    two = rows(folder)[1]
    params["outer_lr"] = float(two["outer_lr"])
    params["seeds"] = [1]
    write_params(folder, params)
    task = PersonaTask(task_id="t", split="test", dialogues=[a_dialogue(40), a_dialogue(41)])
    artifacts.write_records(artifacts.tasks_file("test"), [task])
    assert run(both_stages, folder=folder) == [0]
    path = artifacts.predictions_file(VARIANT)
    epoch, nats = criterion(artifacts.read_records(path, Prediction, made_by="finetune"))
    assert two["outer_lr"] != rows(folder)[0]["outer_lr"]
    assert (two["epoch"], two["valid_nats"]) == (str(epoch), str(nats))
    record = artifacts.read_json(artifacts.model_dir(VARIANT, 1) / "variant.json", made_by="x")
    for name in ("steps", "best_step", "replies", "outer_replies", "operations"):
        assert two[name] == str(record[name])


@pytest.mark.slow
def test_a_rate_that_diverges_is_a_trial_that_lost(folder, started):
    params = toy_params()
    params["tune"]["meta_train"] = {"inner_lr": [0.1, 1e30]}
    write_params(folder, params)
    tune(VARIANT)
    assert started == ["meta_train", "finetune", "meta_train"]
    kept, lost = rows(folder)
    assert (lost["valid_nats"], lost["epoch"], lost["steps"]) == ("inf", "", "")
    assert (kept["chosen"], lost["chosen"]) == ("true", "false")
    assert 0 < float(kept["valid_nats"]) < float("inf")


@pytest.mark.slow
def test_a_trial_that_was_cut_off_keeps_what_it_trained(folder, started, monkeypatch):
    """A stage that fails otherwise ends the command, and its trial is not taken for done."""
    read = (folder / artifacts.PARAMS).read_bytes()
    params = toy_params()
    params["tune"]["trials"] = 1
    write_params(folder, params)
    counted = trial._stage
    monkeypatch.setattr(
        trial,
        "_stage",
        lambda where, *command: counted(
            where, *(command if command[0] != "finetune" else ("finetune", "nobody"))
        ),
    )
    with pytest.raises(TrainingError, match="stages.finetune nobody ended with exit code 1"):
        tune(VARIANT)
    monkeypatch.setattr(trial, "_stage", counted)
    tune(VARIANT)
    assert started == ["meta_train", "finetune", "finetune"]
    assert read


def test_what_is_missing_is_named(folder):
    params = toy_params()
    params["variants"]["nowhere"] = {"init": "pretrained"}
    write_params(folder, params)
    with pytest.raises(ParamsError, match=r"'nowhere' stands in 0 of the lists"):
        tune("nowhere")
    (folder / artifacts.tasks_file("valid")).unlink()
    with pytest.raises(MissingFileError, match=r"valid.jsonl: not found; run .*stages.tasks"):
        tune(VARIANT)

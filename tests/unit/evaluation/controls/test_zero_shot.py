"""Zero-shot scores: every reply once, by θ alone; the command against plain forward passes."""

import math
import shutil

import pytest

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.evaluation.controls.zero_shot import zero_shot
from pipeline.evaluation.studies.convai2 import ZERO_SHOT, Start, read_tasks
from pipeline.params import FinetuneParams, Settings, read_yaml
from pipeline.params.edit import with_values
from pipeline.persona.task.record import PersonaTask
from stages.studies import zero_shot as stage
from stages.studies.convai2 import convai2
from tests.conftest import a_dialogue
from tests.support.personachat_text import lines, with_candidates
from tests.support.plain_nll import plain_nll
from tests.support.toy_project import write_params
from tests.support.training_runs import run as training_run
from tests.wiring.closure import ROOT


@pytest.fixture
def learner(make_learner):
    return make_learner("in_place", double=True, n_positions=512)


@pytest.fixture
def params():
    return Settings.load(ROOT / "presets/embedded.yaml").view(FinetuneParams)


def nats(learner, task):
    """Summed over the replies with their closing tokens, and how many tokens those are."""
    total, tokens = 0.0, 0
    for dialogue in task.dialogues:
        (window,) = learner.encoder.encode(dialogue, room=60)
        for span in window.spans:
            reply = window.ids[span.start : span.end]
            total += plain_nll(learner, window.ids[: span.start], reply)
            tokens += len(reply)
    return total, tokens


def test_every_reply_is_scored_once_and_nothing_is_fine_tuned(learner, params):
    tasks = [
        PersonaTask(
            task_id=f"test-{size}",
            split="test",
            dialogues=[a_dialogue(10 * size + number) for number in range(size)],
        )
        for size in (1, 3)
    ]
    before = {name: value.clone() for name, value in learner.theta.items()}
    found = zero_shot(learner, tasks, params, seed=0)
    for task, records in zip(tasks, found, strict=True):
        turns = [(d.dialogue_id, n) for d in task.dialogues for n in range(len(d.turns))]
        assert [(r.dialogue_id, r.turn) for r in records] == turns
        assert {(r.protocol, r.k, r.epoch) for r in records} == {("k_shot", 0, 0)}
        assert all(record.response is not None for record in records)
        total, tokens = nats(learner, task)
        assert sum(r.nll + r.nll_end for r in records) == pytest.approx(total, abs=1e-8)
        assert sum(r.num_tokens + 1 for r in records) == tokens
    assert all((learner.theta[name] == value).all() for name, value in before.items())


@pytest.fixture
def project(learner, tmp_path, monkeypatch):
    """A person with two replies in each of the two splits, and a variant to score them by."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "1")
    for split, persona in (("valid", "i fish ."), ("test", "i read books .")):
        text = lines(persona, with_candidates("hi", "i like dogs"), with_candidates("ok", "bye"))
        artifacts.write_text(tmp_path / f"data/{split}_self_original.txt", text)
    for folder in (artifacts.model_dir("in_place", 0), artifacts.BASE):
        artifacts.write_text(folder / "x", "x")
    values = read_yaml(ROOT / "presets/embedded.yaml")
    artifacts.write_sealed(artifacts.BASE_FACTS, {"params": {"base": values["base"]}})
    monkeypatch.setattr(stage, "load_variant", lambda name, seed: learner)
    axes = {"init": "pretrained", "set": {"generate.max_new_tokens": 3}}
    values["variants"]["in_place"] = axes
    write_params(tmp_path, values)
    record = training_run(axes=axes, params={"inner_lr": values["inner_lr"]})
    monkeypatch.setattr(stage, "read_variant", lambda *_, **__: record)
    return tmp_path


def test_the_command_writes_the_scores_of_the_whole_set(learner, project):
    stage.zero_shot("in_place", project / "data")
    found = artifacts.read_json(ZERO_SHOT / "in_place.json", made_by="zero_shot")
    assert found["counts"] == {"personas": 2, "replies": 4}
    assert found["splits"] == ["valid", "test"]
    each = [nats(learner, t) for t in read_tasks(project / "data", ["valid", "test"], seed=0)]
    expected = math.exp(sum(total for total, _ in each) / sum(tokens for _, tokens in each))
    assert found["metrics"]["ppl"]["value"] == pytest.approx(expected, rel=1e-9)
    assert found["metrics"]["hits_at_1"] is not None
    model = artifacts.sha256_of(artifacts.model_dir("in_place", 0))
    assert (found["made_from"]["models"], found["made_from"]["tasks"]) == ({"0": model}, None)


def test_a_part_stands_beside_the_whole_set(project):
    artifacts.write_json(ZERO_SHOT / "in_place.json", {"all": "of it"})
    stage.zero_shot("in_place", project / "data", split=["test", "test"])
    found = artifacts.read_json(ZERO_SHOT / "in_place-test.json", made_by="zero_shot")
    assert (found["splits"], found["counts"]) == (["test"], {"personas": 1, "replies": 2})
    assert artifacts.read_json(ZERO_SHOT / "in_place.json", made_by="zero_shot") == {"all": "of it"}


def test_a_further_seed_stands_beside_the_first(project):
    artifacts.write_json(ZERO_SHOT / "in_place.json", {"all": "of it"})
    shutil.copytree(artifacts.model_dir("in_place", 0), artifacts.model_dir("in_place", 1))
    stage.zero_shot("in_place", project / "data", seed=1, split=["test"], likelihood=True)
    name = "in_place-likelihood-test-seed-1.json"
    assert artifacts.read_json(ZERO_SHOT / name, made_by="zero_shot")["seed"] == 1
    stage.zero_shot("in_place", project / "data", seed=1)
    assert artifacts.read_json(ZERO_SHOT / "in_place-seed-1.json", made_by="zero_shot")["seed"] == 1
    assert artifacts.read_json(ZERO_SHOT / "in_place.json", made_by="zero_shot") == {"all": "of it"}


def test_what_was_scored_of_one_split_is_not_taken_for_the_others(project, monkeypatch):
    """Cut off after the last persona of valid, then asked for test."""
    scored = []

    def noted(learner, tasks, params, **options):
        scored.extend(task.split for task in tasks)
        return zero_shot(learner, tasks, params, **options)

    def cut_off(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "predict", noted)
    with monkeypatch.context() as patch:
        patch.setattr(stage.Estimator, "micro", cut_off)
        with pytest.raises(KeyboardInterrupt):
            stage.zero_shot("in_place", project / "data", split=["valid"])
    stage.zero_shot("in_place", project / "data", split=["test"])
    assert scored == ["valid", "test"]
    stage.zero_shot("in_place", project / "data", split=["valid"])
    assert scored == ["valid", "test"]  # its own it finds again


@pytest.mark.parametrize("split", ["train", "tset"])
def test_other_splits_are_refused_before_anything_is_scored(project, split):
    with pytest.raises(ParamsError, match=f"--split {split}: valid or test was expected"):
        stage.zero_shot("in_place", project / "data", split=["valid", split])
    assert not artifacts.CHECKPOINTS.exists()


@pytest.mark.parametrize(
    ("edit", "listed"),
    [
        ("train.lr=0.75", True),
        ("inner_lr=0.75", False),
        ("base.pretrain.steps=7", False),
        ("generate.top_p=0.75", False),
        ("finetune.lr=0.75", True),  # nothing is fine-tuned
    ],
)
def test_scores_of_a_model_that_is_gone_are_of_the_parameters_that_made_it(
    edit, listed, project, capsys
):
    shutil.copy(project / "data/test_self_original.txt", project / "data/train_self_original.txt")
    stage.zero_shot("in_place", project / "data")
    shutil.rmtree(artifacts.MODELS)
    artifacts.write_text(artifacts.PARAMS, with_values(artifacts.PARAMS.read_text(), [edit]))
    convai2(project / "data", out=project / "out.json")
    said = " ".join(capsys.readouterr().out.split())
    assert ("in_place, zero-shot" in said) == listed
    assert ("than is there: in_place in" in said) != listed


def test_what_made_the_base_and_a_model_with_its_tasks_is_told(project):
    """Of other tasks than the model's, and of an untrained variant, nothing else."""
    source = {"params": {"data": {"source": "synthetic"}}}
    summary = {"source": source, "params": {"tasks": {"seed": 0}}}
    artifacts.write_sealed(artifacts.TASKS_SUMMARY, summary)
    path = artifacts.tasks_file("train")
    artifacts.write_text(path, "its tasks\n")
    record = training_run(params={"inner_lr": 0.1}, tasks={"train": artifacts.sha256_of(path)})
    of_model = {"base", "method", "variants.in_place", "inner_lr"}
    assert {*stage._made_with(record)} == {"data", "tasks", *of_model}
    start = Start.of(Settings.load(), "in_place")
    assert {*stage._made_with(start)} == {"base"}
    artifacts.write_text(path, "others\n")
    assert {*stage._made_with(record)} == of_model


def test_an_untrained_variant_of_other_axes_is_not_listed(learner, project, monkeypatch, capsys):
    monkeypatch.setattr(stage, "untrained_variant", lambda *_: learner)
    shutil.copy(project / "data/test_self_original.txt", project / "data/train_self_original.txt")
    stage.zero_shot("reinit", project / "data", untrained=True, likelihood=True)
    name = "reinit-untrained-likelihood"
    for init, listed in (("random", True), ("pretrained", False)):
        params = read_yaml(artifacts.PARAMS)
        params["variants"]["reinit"]["init"] = init
        write_params(project, params)
        convai2(project / "data", out=project / "out.json")
        said = " ".join(capsys.readouterr().out.split())
        assert (f"{name}, zero-shot" in said) == listed
        assert (f"than is there: {name} in" in said) != listed

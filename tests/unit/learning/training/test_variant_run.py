"""What a training run leaves: counts of its data; never another method's variant replaced."""

import shutil
from dataclasses import replace

import pytest
import torch

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError, ModelError, TrainingError
from pipeline.learning.task_loss.episodes import encode_tasks
from pipeline.learning.training import variant_run
from pipeline.learning.training.loop import Trained, TrainingProgress
from pipeline.learning.training.variant_run import save, start
from pipeline.model.files.tensors import write_tensors
from pipeline.model.files.variant_record import read_variant, refuse_other_inputs
from pipeline.model.network import trained as loading
from pipeline.model.network.learner import load_theta
from pipeline.model.network.trained import load_variant
from pipeline.model.sequences.encoding import Encoder
from pipeline.persona.task.record import PersonaTask
from tests.conftest import AXES, a_dialogue
from tests.support.sealed import edit_sealed
from tests.support.variant_runs import a_run


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    """With something to read, whose digests a run records."""
    monkeypatch.chdir(tmp_path)
    artifacts.write_text(artifacts.BASE / "tokenizer.json", "{}")
    artifacts.write_text(artifacts.BASE_FACTS, "{}")
    artifacts.write_text(artifacts.BASE / "config.json", "{}")
    for split in artifacts.SPLITS:
        artifacts.write_text(artifacts.tasks_file(split), split)


def saved(learner, tasks):
    return save(a_run(), learner, Trained(learner.theta, TrainingProgress()), tasks)


def test_dialogues_longer_than_the_context_are_counted(make_learner, tokenizer):
    dialogues = [a_dialogue(number, turns=turns) for number, turns in enumerate((2, 12, 12))]
    task = PersonaTask(task_id="t", split="train", dialogues=dialogues)
    encoder = Encoder(tokenizer, context=200)
    tasks = {"train": encode_tasks([task], encoder), "valid": encode_tasks([], encoder)}
    saved(make_learner(), tasks)
    record = read_variant("in_place", 0)
    assert record.dialogues == {"train": 3, "valid": 0}
    assert record.over_context == {"train": 2, "valid": 0}


@pytest.mark.parametrize("name", ["in_place", "extra_place"])
def test_adapters_are_recorded_where_there_are_some(make_learner, name):
    """Else another `adapters.bottleneck` would make variants without adapters look changed."""
    run = replace(a_run(), variant=AXES[name])
    learner = make_learner(name)
    save(run, learner, Trained(learner.theta, TrainingProgress()), {})
    assert read_variant("in_place", 0).adapters == (run.adapters if name == "extra_place" else None)


def test_the_other_methods_variant_is_not_replaced(make_learner):
    saved(make_learner(), {})
    with pytest.raises(TrainingError, match=r"seed-0 was made by stage train.* meta_train write"):
        start(a_run("meta_train"), "eager", "float32")


@pytest.mark.parametrize("left", [{"method": "train", "more": 1}, {}])
def test_a_run_replaces_what_an_earlier_schema_wrote(make_learner, monkeypatch, left):
    """The same command would otherwise fail until the folder is deleted by hand."""
    artifacts.write_json(artifacts.model_dir("in_place", 0) / "variant.json", left)
    monkeypatch.setattr(variant_run, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(variant_run, "load_base", lambda _: None)
    assert start(a_run(), "eager", "float32").theta
    with pytest.raises(ModelError, match=r"not a variant.json .*`meta_train in_place 0` again"):
        read_variant("in_place", 0, made_by="meta_train in_place 0")


def test_the_other_methods_is_not_replaced_in_an_earlier_schema_either():
    artifacts.write_json(
        artifacts.model_dir("in_place", 0) / "variant.json", {"method": "meta_train"}
    )
    with pytest.raises(TrainingError, match=r"seed-0 was made by stage meta_train"):
        start(a_run(), "eager", "float32")


def test_a_run_replaces_a_record_that_was_edited(make_learner, monkeypatch):
    """Its own line says to run the stage again, so the stage must run."""
    record = saved(make_learner(), {}) / "variant.json"
    record.write_text(record.read_text().replace('"seed": 0', '"seed": 1'))
    monkeypatch.setattr(variant_run, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(variant_run, "load_base", lambda _: None)
    assert start(a_run(), "eager", "float32").theta


def test_the_same_method_may_train_again(make_learner, monkeypatch):
    saved(make_learner(), {})
    monkeypatch.setattr(variant_run, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(variant_run, "load_base", lambda _: None)
    assert start(a_run(), "eager", "float32").theta


def test_a_cut_theta_is_named_with_the_stage_to_run(make_learner):
    folder = saved(make_learner(), {})
    path = folder / "theta.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match=r"theta.safetensors: corrupt .*run stage train again"):
        load_theta(make_learner(), folder, made_by="train")


def test_a_missing_theta_names_the_whole_command(make_learner, monkeypatch):
    (saved(make_learner(), {}) / "theta.safetensors").unlink()
    monkeypatch.setattr(loading, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(loading, "load_base", lambda _: None)
    with pytest.raises(MissingFileError, match=r"run `python -m stages.train in_place 0` "):
        load_variant("in_place", 0)


def test_an_untrained_variant_is_named():
    expected = r"variant\.json: not found; .*`meta_train in_place 0` or `p2_selfplay in_place 0`"
    with pytest.raises(MissingFileError, match=expected):
        read_variant("in_place", 0)


def test_what_the_inner_loop_learned_comes_back_with_the_variant(make_learner, monkeypatch):
    rates = {"special.weight": 0.1 / 3, "wte.weight": None}
    learner = make_learner()
    save(a_run(), learner, Trained(learner.theta, TrainingProgress()), {}, rates)
    monkeypatch.setattr(loading, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(loading, "load_base", lambda _: None)
    assert load_variant("in_place", 0).inner_rates == rates


@pytest.fixture
def trained(make_learner, monkeypatch):
    """A variant's folder, and what loading it would build."""
    monkeypatch.setattr(loading, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(loading, "load_base", lambda _: None)
    return saved(make_learner(), {})


AGAIN = r"run `python -m stages.train in_place 0` \(or `dvc repro`\)"


@pytest.mark.parametrize("file", ["tokenizer.json", "config.json"])
def test_theta_of_another_base_or_tokenizer_is_refused(trained, file):
    load_variant("in_place", 0)
    artifacts.write_text(artifacts.BASE / file, "{ }")
    message = rf"seed-0: trained from a models/base of SHA-256 \w+…, now it is \w+…; {AGAIN}"
    with pytest.raises(ModelError, match=message):
        load_variant("in_place", 0)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_tasks_changed_after_training_are_refused_where_they_matter(trained, split):
    record = read_variant("in_place", 0)
    refuse_other_inputs(record, tasks=True)
    artifacts.write_text(artifacts.tasks_file("test"), "training does not read these")
    refuse_other_inputs(record, tasks=True)
    artifacts.write_text(artifacts.tasks_file(split), "other")
    with pytest.raises(ModelError, match=rf"trained from a data/tasks/{split}.jsonl .*{AGAIN}"):
        refuse_other_inputs(record, tasks=True)
    load_variant("in_place", 0)


def test_theta_of_another_run_is_refused_though_its_shapes_are_equal(trained, make_learner):
    learner = make_learner()
    theta = {name: value + 1 for name, value in learner.theta.items()}
    write_tensors(theta, trained / "theta.safetensors")
    with pytest.raises(ModelError, match=rf"damaged, or of another run.*{AGAIN}"):
        load_variant("in_place", 0)


@pytest.mark.parametrize("where", range(0, 1000, 97))
def test_one_flipped_bit_in_theta_is_noticed(trained, where):
    path = trained / "theta.safetensors"
    content = bytearray(path.read_bytes())
    content[where * len(content) // 1000] ^= 16
    path.write_bytes(content)
    with pytest.raises(ModelError, match=AGAIN):
        load_variant("in_place", 0)


def test_a_folder_of_another_variant_or_seed_is_refused(trained):
    for name, seed in (("transfer", 0), ("in_place", 1)):
        shutil.copytree(trained, artifacts.model_dir(name, seed))
        with pytest.raises(ModelError, match=r"holds variant 'in_place' of seed 0; run"):
            read_variant(name, seed)


def test_a_record_of_a_split_that_is_none_is_refused(trained):
    """Its name would be a path."""
    path = trained / "variant.json"
    edit_sealed(path, lambda record: record | {"tasks": {"../\0": "0" * 64}})
    with pytest.raises(ModelError, match=r"not a variant\.json of this version"):
        read_variant("in_place", 0)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
def test_theta_of_another_type_is_refused(trained, make_learner, dtype):
    learner = make_learner()
    theta = {name: value.to(dtype) for name, value in learner.theta.items()}
    write_tensors(theta, trained / "theta.safetensors")
    with pytest.raises(ModelError, match=r"other tensors than this variant's; run stage train"):
        load_theta(learner, trained, made_by="train")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_theta_that_is_not_finite_is_refused(trained, make_learner, value):
    learner = make_learner()
    name, tensor = next(iter(learner.theta.items()))
    spoilt = tensor.detach().clone()
    spoilt.view(-1)[3] = value
    write_tensors({**learner.theta, name: spoilt}, trained / "theta.safetensors")
    with pytest.raises(ModelError, match=rf"{name} holds NaN or infinity; run stage train again"):
        load_theta(learner, trained, made_by="train")


def test_a_file_of_the_users_that_came_during_training_is_not_replaced(make_learner):
    saved(make_learner(), {})
    notes = artifacts.model_dir("in_place", 0) / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(DataError, match=r"notes\.txt: not written by this stage"):
        saved(make_learner(), {})
    assert notes.read_text() == "mine"


@pytest.mark.parametrize("what", [artifacts.BASE / "config.json", artifacts.tasks_file("valid")])
@pytest.mark.parametrize("plays", [False, True])
def test_an_input_replaced_during_training_is_refused(make_learner, monkeypatch, what, plays):
    monkeypatch.setattr(variant_run, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(variant_run, "load_base", lambda _: None)
    run = a_run()
    learner = start(run, "eager", "float32")
    if plays:  # self-play learns later what its models were made with
        run = run.made_after({"train": {}})
    artifacts.write_text(what, "other")
    with pytest.raises(DataError, match="replaced while it was read"):
        save(run, learner, Trained(learner.theta, TrainingProgress()), {})
    assert not (artifacts.model_dir("in_place", 0) / "variant.json").exists()

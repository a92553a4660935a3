"""What a training run leaves: counts of its data; never another method's variant replaced."""

import pytest

from pipeline import artifacts
from pipeline.errors import MissingFileError, ModelError, TrainingError
from pipeline.learning.data.episodes import encode_tasks
from pipeline.learning.training import variant_run
from pipeline.learning.training.loop import Trained, TrainingProgress
from pipeline.learning.training.variant_run import save, start
from pipeline.model.files.variant_record import read_variant
from pipeline.model.network.learner import load_theta
from pipeline.model.sequences.encoding import Encoder
from pipeline.model.trained import load
from pipeline.model.trained.load import load_variant
from pipeline.persona.task import PersonaTask
from tests.conftest import a_dialogue
from tests.support.variant_runs import a_run


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


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
    monkeypatch.setattr(load, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(load, "load_base", lambda _: None)
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
    monkeypatch.setattr(load, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(load, "load_base", lambda _: None)
    assert load_variant("in_place", 0).inner_rates == rates

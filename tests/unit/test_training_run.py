"""What a training run leaves: counts of its data; never another method's variant replaced."""

import pytest

from pipeline.errors import MissingFileError, ModelError, TrainingError
from pipeline.learning import training_run
from pipeline.learning.episodes import encode_tasks
from pipeline.learning.loop import Progress, Trained
from pipeline.learning.training_run import Identity, load_variant, read_variant, save, start
from pipeline.model.encoding import Encoder
from pipeline.model.learner import load_theta
from pipeline.params import Adapters, Settings, TrainParams
from pipeline.persona.task import PersonaTask
from tests.conftest import AXES, a_dialogue
from tests.wiring.closure import ROOT


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def identity(method="train"):
    params = Settings.load(ROOT / "params.yaml").view(TrainParams)
    adapters = Adapters(bottleneck=4, init_std=0.3)
    return Identity(method, "in_place", 0, AXES["in_place"], adapters, params)


def saved(learner, tasks):
    return save(identity(), learner, Trained(learner.theta, Progress()), tasks)


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
        start(identity("meta_train"), "eager", "float32")


def test_the_same_method_may_train_again(make_learner, monkeypatch):
    saved(make_learner(), {})
    monkeypatch.setattr(training_run, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(training_run, "load_base", lambda _: None)
    assert start(identity(), "eager", "float32").theta


def test_a_cut_theta_is_named_with_the_stage_to_run(make_learner):
    folder = saved(make_learner(), {})
    path = folder / "theta.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match=r"theta.safetensors: corrupt .*run stage train again"):
        load_theta(make_learner(), folder, made_by="train")


def test_an_untrained_variant_is_named():
    with pytest.raises(MissingFileError, match=r"variant\.json: not found"):
        read_variant("in_place", 0)


def test_what_the_inner_loop_learned_comes_back_with_the_variant(make_learner, monkeypatch):
    rates = {"special.weight": 0.1 / 3, "wte.weight": None}
    learner = make_learner()
    save(identity(), learner, Trained(learner.theta, Progress()), {}, rates)
    monkeypatch.setattr(training_run, "build_learner", lambda *_, **__: make_learner())
    monkeypatch.setattr(training_run, "load_base", lambda _: None)
    assert load_variant("in_place", 0).inner_rates == rates

"""Which stage trains a variant: other stages refuse it, and errors name the right one."""

import pytest

from pipeline import artifacts
from pipeline.errors import MissingFileError, ParamsError
from pipeline.params.methods import made_by, method_of, refuse_other_method
from stages import finetune, meta_train, p2_selfplay, train
from tests.wiring.closure import ROOT


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A folder with the embedded preset in force, and nothing trained."""
    (tmp_path / artifacts.PARAMS).write_bytes((ROOT / "presets/embedded.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("stage", "name", "own", "command"),
    [
        (train.train, "p2bot", "self_played", "p2_selfplay p2bot 3"),
        (meta_train.meta_train, "p2bot", "self_played", "p2_selfplay p2bot 3"),
        (train.train, "in_place", "meta_trained", "meta_train in_place 3"),
        (meta_train.meta_train, "transfer", "trained", "train transfer 3"),
        (p2_selfplay.p2_selfplay, "transfer", "trained", "train transfer 3"),
    ],
)
def test_a_stage_refuses_what_another_list_names(stage, name, own, command):
    with pytest.raises(
        ParamsError, match=rf"{name}' stands in {own}, .*`python -m stages.{command}`"
    ):
        stage(name, 3)


def test_a_self_played_variant_is_not_told_to_move():
    with pytest.raises(ParamsError, match="p2bot is self-played; name a variant of trained or"):
        method_of("p2bot")


def test_what_is_in_no_list_may_be_trained_either_way(project):
    refuse_other_method("train", "transfer", 0)
    refuse_other_method("train", "mine", 0)
    (project / artifacts.PARAMS).unlink()
    refuse_other_method("train", "in_place", 0)


def test_what_is_in_no_list_has_no_method():
    with pytest.raises(ParamsError, match="'mine' stands in none of the lists trained, meta_train"):
        method_of("mine")


@pytest.mark.parametrize(
    ("name", "command"),
    [("p2bot", "p2_selfplay p2bot 0"), ("in_place", "meta_train in_place 0")],
)
def test_a_missing_model_names_the_stage_that_makes_it(name, command):
    assert made_by(name, 0) == command
    with pytest.raises(MissingFileError, match=rf"run `python -m stages\.{command}` "):
        finetune.finetune(name)

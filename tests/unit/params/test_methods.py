"""Which stage trains a variant: the others refuse it, and what is missing names the right one."""

import pytest

from pipeline import artifacts
from pipeline.errors import MissingFileError, ParamsError
from pipeline.params.methods import made_by, method_of, refuse_other_method
from stages import finetune, meta_train, train
from tests.wiring.closure import ROOT


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A folder with the committed parameters and lists, and nothing trained."""
    for path in (artifacts.PARAMS, artifacts.PIPELINE):
        (tmp_path / path).write_bytes((ROOT / path).read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("stage", "name", "own", "command"),
    [
        (train.train, "p2bot", "self_played", "p2_selfplay p2bot 3"),
        (meta_train.meta_train, "p2bot", "self_played", "p2_selfplay p2bot 3"),
        (train.train, "in_place", "meta_trained", "meta_train in_place 3"),
        (meta_train.meta_train, "transfer", "trained", "train transfer 3"),
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
    (project / artifacts.PIPELINE).unlink()
    refuse_other_method("train", "in_place", 0)


@pytest.mark.parametrize(
    ("name", "command"),
    [("p2bot", "p2_selfplay p2bot 0"), ("in_place", "meta_train in_place 0")],
)
def test_a_missing_model_names_the_stage_that_makes_it(name, command):
    assert made_by(name, 0) == command
    with pytest.raises(MissingFileError, match=rf"run `python -m stages\.{command}` "):
        finetune.finetune(name)

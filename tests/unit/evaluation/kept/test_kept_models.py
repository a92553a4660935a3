"""What a study keeps of models: of those of this run, which DVC does not part from old ones."""

import shutil

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.kept.keep import keep
from pipeline.params import read_yaml
from tests.support.one_run import say_one_run
from tests.support.toy_project import write_params
from tests.support.training_runs import content
from tests.wiring.closure import ROOT


HISTORY = "step,outer_loss,valid_loss\n0,,2.5\n1,2.0,2.25\n"


@pytest.fixture
def run(tmp_path):
    """A run with a model of `in_place`, whose base is there."""
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")
    shutil.copy(ROOT / "presets/embedded.yaml", tmp_path / "params.yaml")
    artifacts.write_text(tmp_path / artifacts.BASE / "config.json", "{}")
    model(tmp_path, "in_place")
    say_one_run(tmp_path)
    return tmp_path


def model(run, name, **values):
    folder = run / artifacts.model_dir(name, 0)
    artifacts.write_text(folder / "history.csv", HISTORY)
    base = {"base": artifacts.sha256_of(run / artifacts.BASE)}
    artifacts.write_sealed(folder / "variant.json", content(name=name, **(base | values)))


def kept(run):
    keep(run, run / "studies/mine")
    return sorted(path.stem for path in (run / "studies/mine/history").iterdir())


def test_what_is_trained_no_longer_is_not_kept(run):
    model(run, "extra_place")
    say_one_run(run)
    assert kept(run) == ["extra_place-seed-0", "in_place-seed-0"]
    params = read_yaml(run / "params.yaml")
    for key in ("meta_trained", "scored"):
        params[key].remove("extra_place")
    params["compare"]["claims"] = []
    write_params(run, params)
    (run / artifacts.COMPARISON).unlink()
    shutil.rmtree(run / "studies")
    assert kept(run) == ["in_place-seed-0"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"base": "9" * 64}, r"variant\.json: belongs to a models/base of SHA-256 9999"),
        ({"params": {"inner_lr": 0.75}}, "variant.json: made with inner_lr 0.75, but"),
    ],
)
def test_models_of_another_base_or_of_other_parameters_are_not_kept(values, said, run):
    model(run, "in_place", **values)
    say_one_run(run)
    with pytest.raises(DataError, match=said):
        kept(run)
    assert not (run / "studies/mine").exists()

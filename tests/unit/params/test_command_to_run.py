"""The command that a line names can be run as it stands: it has a seed, not the word SEED."""

from pathlib import Path

import pytest

from pipeline.params import Settings
from pipeline.params.stated import Made, other_params


PRESET = Path(__file__).parents[3] / "presets/embedded.yaml"


@pytest.mark.parametrize(
    ("variant", "values", "command"),
    [
        ("reinit", {"train": {"lr": 99}}, "train reinit 0"),
        ("in_place", {"inner_lr": 99}, "meta_train in_place 0"),
        ("p2bot", {"p2bot.receiver": {"lr": 99}}, "p2_receiver 0"),
        ("in_place", {"finetune": {"epochs": [0, 99]}}, "finetune in_place"),
    ],
)
def test_of_predictions_of_several_seeds_the_first_is_named(variant, values, command):
    made = Made(Path(f"predictions/{variant}.json"), values, variant)
    line = other_params(Settings.load(PRESET), made)
    assert f"; run `python -m stages.{command}` and what follows it (or `dvc repro`), or " in line
    last = Made(made.file, values, variant, 2)
    line = other_params(Settings.load(PRESET), last)
    assert f"`python -m stages.{command.replace('0', '2')}`" in line

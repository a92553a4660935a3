"""Numbers of a stranger's config.json that no model has, and the library's remarks on it."""

import json

import pytest

from pipeline.errors import ModelError
from pipeline.model.base.configuration import config_of
from pipeline.model.base.huggingface_folder import read_model
from tests.support.families import tiny_model
from tests.unit.model.base.test_refused_models import written


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("n_head", -2, r"config\.json: n_head is -2; a number from 0 on is needed"),
        ("n_layer", -1, r"config\.json: n_layer is -1; a number from 0 on is needed"),
        ("layer_norm_epsilon", float("nan"), r"layer_norm_epsilon is nan; a finite number"),
        ("layer_norm_epsilon", float("inf"), r"layer_norm_epsilon is inf; a finite number"),
        ("n_layer", "2", r"config\.json: not a configuration of gpt2: .*n_layer"),
        ("n_head", 3, r"config\.json: not a configuration of gpt2: .*num_heads"),
    ],
)
def test_numbers_that_no_model_has_are_one_line(key, value, match, tmp_path, capfd):
    """Nothing of the library's own stands beside it."""
    written(tmp_path / "b", tiny_model("gpt2", 300))
    path = tmp_path / "b/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    capfd.readouterr()
    with pytest.raises(ModelError, match=match) as refusal:
        read_model(tmp_path / "b")
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_the_librarys_remarks_on_a_file_are_not_printed(tmp_path, capfd):
    written(tmp_path / "b", tiny_model("gpt2", 300))
    path = tmp_path / "b/config.json"
    odd = {"pad_token_id": 5000, "rope_scaling": {"type": "x"}}
    values = json.loads(path.read_text()) | odd
    capfd.readouterr()
    config_of(values, "config.json")
    assert capfd.readouterr() == ("", "")

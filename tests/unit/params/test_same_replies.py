"""Rows of one table are scored on the same replies, whatever a variant's `set` replaces."""

import pytest

from pipeline.errors import ParamsError
from pipeline.params import Settings, read_yaml
from tests.wiring.closure import ROOT


def with_set(own):
    values = read_yaml(ROOT / "presets/embedded.yaml")
    values["variants"]["in_place"]["set"] = own
    return Settings(values, "params.yaml")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"finetune.max_folds.test": 1}, r"set: finetune.max_folds.test: finetune.max_folds would"),
        ({"finetune.k": [0, 1]}, r"set: finetune.k: finetune.k would be \[0, 1\], which is \[0, "),
        ({"finetune.seed": 7}, "set: finetune.seed: .*rows of one table are scored on the same re"),
    ],
)
def test_a_set_changes_no_variants_replies(own, said):
    """A row over other replies would stand in Table 1 beside the others."""
    with pytest.raises(ParamsError, match=said):
        with_set(own).check()


@pytest.mark.parametrize("k", [[], [0], [0, 3, 8], [0, 8]])
def test_a_set_may_leave_k_out(k):
    """The query of Fig. 3 is what lies behind the largest K."""
    assert with_set({"finetune.k": k}).check()


def test_a_whole_section_changes_no_variants_replies():
    section = {**read_yaml(ROOT / "presets/embedded.yaml")["finetune"], "lr": 0.5}
    assert with_set({"finetune": section}).check()
    section["max_folds"] = {"valid": 1, "test": None}
    with pytest.raises(ParamsError, match=r"set: finetune: finetune\.max_folds would be"):
        with_set({"finetune": section}).check()

"""Which Φ the variants of a params.yaml have, and blocks that a pre-trained base lacks."""

import pytest

from pipeline.errors import ParamsError
from pipeline.params import Settings, read_yaml
from tests.wiring.closure import ROOT


@pytest.fixture
def values():
    return read_yaml(ROOT / "presets/embedded.yaml")


def test_blocks_with_phi_beyond_those_pretrained_are_refused(values):
    values["adapters"]["blocks"] = [0, 9]
    settings = Settings(values, "params.yaml")
    with pytest.raises(
        ParamsError, match=r"adapters.blocks: \[0, 9\], but base.pretrain.num_layers"
    ):
        settings.check()
    values["base"]["source"] = "./a_folder"
    settings.check()


def test_phi_in_use_is_that_of_each_variant_that_has_it(values):
    assert [phi.kind for phi in Settings(values, "params.yaml").phi_in_use()] == ["bottleneck"]
    values["variants"]["extra_place"]["set"] = {"adapters.kind": "lora"}
    values["variants"]["in_place"]["set"] = {"adapters.kind": "ia3"}
    values["variants"]["adapters"]["init"] = "warm"  # its own stage says so
    kinds = [phi.kind for phi in Settings(values, "params.yaml").phi_in_use()]
    assert sorted(kinds) == ["bottleneck", "lora"]
    del values["variants"]
    assert Settings(values, "params.yaml").phi_in_use() == []

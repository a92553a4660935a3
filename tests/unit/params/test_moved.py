"""Keys and axes of earlier versions: what a reader of an old params.yaml is told."""

import pytest

from pipeline.errors import ParamsError
from pipeline.params import Settings, read_yaml
from tests.wiring.closure import ROOT


@pytest.fixture
def values():
    return read_yaml(ROOT / "presets/embedded.yaml")


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("value", [True, False])
def test_the_axis_of_old_says_what_to_write(values, whole, value):
    values["variants"]["in_place"] |= {"special_tokens": value}
    settings = Settings(values, "params.yaml")
    with pytest.raises(ParamsError, match=r"special_tokens: is `format` now: .*`format: plain`"):
        settings.check() if whole else settings.variant("in_place")


def test_a_format_is_one_of_three(values):
    values["variants"]["in_place"] |= {"format": "lines"}
    with pytest.raises(ParamsError, match=r"format: .*'special', 'plain' or 'chat', found 'lines'"):
        Settings(values, "params.yaml").check()

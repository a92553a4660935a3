"""A seeded part of every campaign; `make faults` has the whole."""

import pytest

from tests.faults.registry import Campaign, campaigns


@pytest.mark.parametrize(
    "campaign", [c for c in campaigns() if c.quick], ids=lambda campaign: campaign.name
)
def test_nothing_is_lost(tmp_path, campaign: Campaign):
    outcome = campaign.run(tmp_path, campaign.quick, 0)
    assert outcome.lost == []
    assert outcome.points == campaign.quick

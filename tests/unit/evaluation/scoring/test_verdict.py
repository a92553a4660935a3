"""The verdict on an adaptation: each rule, its borders, and the two traps it is there for."""

import pytest

from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.scoring.verdict import verdict
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from tests.support.adaptation_of import adaptation
from tests.support.prediction_builder import a_prediction


def estimate(value, low, high):
    return Estimate(value=value, low=low, high=high)


def around(value, half=0.1):
    return estimate(value, value - half, value + half)


@pytest.mark.parametrize(
    ("gain", "gap", "share", "expected"),
    [
        (around(-0.5), around(0.9), None, "harmful"),
        (around(0.05), around(0.9), None, "not distinguishable from none"),
        (around(-0.05), None, None, "not distinguishable from none"),
        (estimate(0.1, 0.0, 0.2), around(0.9), None, "not distinguishable from none"),
        (estimate(-0.1, -0.2, 0.0), around(0.9), None, "not distinguishable from none"),
        (
            estimate(0.5, None, None),
            estimate(0.5, None, None),
            None,
            "not distinguishable from none",
        ),
        (around(0.5), None, None, "gain without swap control"),
        (around(0.5), around(0.05), around(0.1), "mostly not personal"),
        (around(0.5), around(0.15), around(0.3), "mostly not personal"),
        (around(0.5), around(0.05), around(0.1, 0.5), "not distinguishable from a stranger's"),
        (around(0.5), around(0.45), around(0.9), "personal"),
        (around(0.5), around(0.6), around(1.2), "personal"),  # a stranger's dialogues hurt
        (around(0.5), around(0.25), around(0.5), "partly personal"),
        (around(0.5), around(0.3), estimate(0.6, 0.5, 0.7), "partly personal"),
        (around(0.5), around(0.2), estimate(0.4, 0.3, 0.5), "partly personal"),
    ],
)
def test_each_rule(gain, gap, share, expected):
    assert verdict(gain, gap, share) == expected


def records(people):
    """(before, after own, after a stranger's) nats per token of each persona, 1 + 1 tokens."""
    settings = ((0, "leave_one_out"), (1, "leave_one_out"), (1, "swap"))
    return [
        a_prediction(
            task_id=f"p{i}",
            nll=2 * nats - 0.5,
            nll_end=0.5,
            num_tokens=1,
            epoch=epoch,
            protocol=protocol,
        )
        for i, row in enumerate(people)
        for nats, (epoch, protocol) in zip(row, settings, strict=True)
    ]


def of(people, headline=1):
    found = adaptation(records(people), headline, Bootstrap(400, 0))
    return found["adaptation"], found["epochs"]["1"]["adaptation"]


def test_the_pilots_trap_is_named():
    """0.40 nats at once, 97 % of them also from strangers: outer training left it to be learnt."""
    people = [(5.03 + i / 50, 4.63 + i / 60, 4.642 + i / 60) for i in range(30)]
    assert of(people) == ("mostly not personal",) * 2


def test_a_personal_gain_is_called_so():
    people = [(4.16 + i / 50, 4.07 + i / 60, 4.19 + i / 50) for i in range(30)]
    assert of(people) == ("personal",) * 2


def test_an_adaptation_that_hurts_is_called_harmful_even_if_strangers_hurt_more():
    people = [(4.0 + i / 50, 4.2 + i / 50, 4.5 + i / 50) for i in range(30)]
    assert of(people) == ("harmful",) * 2


def test_noise_is_not_an_adaptation():
    people = [(4.0, 4.0 + (-1) ** i * 0.1, 4.0) for i in range(30)]
    assert of(people) == ("not distinguishable from none",) * 2


def test_where_valid_chose_not_to_adapt_the_verdict_is_none_and_the_epochs_keep_theirs():
    people = [(4.0 + i / 50, 4.2 + i / 50, 4.5 + i / 50) for i in range(30)]
    assert of(people, headline=0) == ("none", "harmful")

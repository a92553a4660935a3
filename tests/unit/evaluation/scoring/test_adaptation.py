"""Gain, swap gain, swap gap and personal share, in numbers that can be computed by hand."""

import pytest

from pipeline.evaluation.statistics.bootstrap import Bootstrap
from tests.support.adaptation_of import adaptation
from tests.support.prediction_builder import a_prediction


BOOTSTRAP = Bootstrap(samples=200, seed=0)


def reply(person, nats, *, epoch, protocol="leave_one_out", tokens=1, **changes):
    """A reply with `nats` in all, closing token counted, over `tokens` and the closing one."""
    return a_prediction(
        task_id=f"p{person}",
        nll=nats - 0.25,
        nll_end=0.25,
        num_tokens=tokens,
        epoch=epoch,
        protocol=protocol,
        **changes,
    )


# Nats of a reply of two tokens, per persona: before; after own, after a stranger's support.
NATS = {0: (6.0, 4.0, 5.0), 1: (8.0, 4.0, 7.0)}
RECORDS = [
    reply(person, nats, epoch=epoch, protocol=protocol)
    for person, row in NATS.items()
    for nats, epoch, protocol in zip(
        row, (0, 1, 1), ("leave_one_out", "leave_one_out", "swap"), strict=True
    )
]


def test_gain_and_swap_gap_by_hand():
    """Per token: gains 1 and 2, from a stranger 0.5 and 0.5, so gaps 0.5 and 1.5."""
    found = adaptation(RECORDS, 1, BOOTSTRAP)
    assert found["gain"] == {"value": 1.5, "low": 1.0, "high": 2.0}
    assert found["swap_gain"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert found["swap_gap"] == {"value": 1.0, "low": 0.5, "high": 1.5}
    assert found["personal_share"] == pytest.approx({"value": 2 / 3, "low": 0.5, "high": 0.75})
    assert found["nats_per_token"]["before"]["value"] == 3.5
    assert found["nats_per_token"]["after"]["value"] == 2


def test_personas_weigh_the_same_however_much_they_say():
    more = [
        reply(1, 8.0, epoch=epoch, protocol=protocol, turn=turn)
        for turn in range(1, 9)
        for epoch, protocol in ((0, "leave_one_out"), (1, "leave_one_out"), (1, "swap"))
    ]
    found = adaptation([*RECORDS, *more], 1, BOOTSTRAP)
    assert found["gain"]["value"] == pytest.approx((1 + 4 / 18) / 2)


def test_replies_of_a_persona_weigh_by_their_tokens():
    more = [reply(0, 8.0, epoch=0, tokens=5, turn=1), reply(0, 2.0, epoch=1, tokens=5, turn=1)]
    found = adaptation([*RECORDS, *more], 1, BOOTSTRAP)
    assert found["gain"]["value"] == pytest.approx(((2 + 6) / 8 + 2) / 2)


def test_every_epoch_is_reported_also_where_the_headline_is_0():
    """If no adaptation is best on valid, the gain is 0; what the others give is not hidden."""
    worse = [reply(person, 9.0, epoch=3) for person in (0, 1)]
    found = adaptation([*RECORDS, *worse], 0, BOOTSTRAP)
    assert found["gain"] == {"value": 0, "low": 0, "high": 0}
    assert found["swap_gap"] is found["swap_gain"] is found["personal_share"] is None
    assert found["epochs"]["1"]["gain"]["value"] == 1.5
    assert found["epochs"]["3"]["gain"]["value"] == pytest.approx(-1.0)
    assert found["epochs"]["3"]["swap_gap"] is None
    assert sorted(found["epochs"]) == ["1", "3"]


def test_without_swap_records_the_control_is_null():
    own = [record for record in RECORDS if record.protocol != "swap"]
    found = adaptation(own, 1, BOOTSTRAP)
    assert found["gain"]["value"] == 1.5
    assert found["swap_gap"] is found["swap_gain"] is found["personal_share"] is None


def test_the_swap_gap_is_over_replies_that_both_score():
    """Persona 1 had no stranger: its gain counts, the swap entries leave it out."""
    some = [r for r in RECORDS if not (r.protocol == "swap" and r.task_id == "p1")]
    found = adaptation(some, 1, BOOTSTRAP)
    assert found["gain"]["value"] == 1.5
    assert found["swap_gap"]["value"] == 0.5
    assert found["swap_gain"]["value"] == 0.5


def test_where_nothing_is_gained_no_share_is_personal():
    before = [r.model_copy(update={"nll": 0.0}) if r.epoch == 0 else r for r in RECORDS]
    found = adaptation(before, 1, BOOTSTRAP)
    assert found["gain"]["high"] < 0
    assert found["personal_share"] is None


def test_a_gain_that_strangers_give_too_is_not_personal():
    """The pilot's trap: a large gain, none of it from the person's own dialogues."""
    trap = [
        reply(person, nats, epoch=epoch, protocol=protocol)
        for person in range(4)
        for nats, epoch, protocol in (
            (10.0 + person, 0, "leave_one_out"),
            (4.0, 1, "leave_one_out"),
            (4.02, 1, "swap"),
        )
    ]
    found = adaptation(trap, 1, BOOTSTRAP)
    assert found["gain"]["low"] > 1
    assert found["personal_share"]["high"] < 0.01


def test_seeds_are_pooled_within_a_persona():
    second = [record.model_copy(update={"seed": 1}) for record in RECORDS]
    one, two = (adaptation(records, 1, BOOTSTRAP) for records in (RECORDS, [*RECORDS, *second]))
    for name in ("gain", "swap_gain", "swap_gap"):
        assert {key: two[name][key] for key in one[name]} == one[name]
        assert "crossed_low" not in one[name]
    assert (one["personal_share"], one["adaptation"]) == (two["personal_share"], two["adaptation"])


def test_gains_of_several_seeds_have_intervals_over_seeds_too():
    """Student's over personas where the seeds agree; wider where they do not."""
    same, other = (
        [
            record.model_copy(update={"seed": 1, "nll": record.nll + shift * (record.epoch == 0)})
            for record in RECORDS
        ]
        for shift in (0.0, 1.0)  # half a nat per token more is gained by the second seed
    )
    half = 12.706204736 * 0.5  # t(1) times the standard error of gains 1 and 2
    found = adaptation([*RECORDS, *same], 1, BOOTSTRAP)["gain"]
    assert found["crossed_low"] == pytest.approx(1.5 - half)
    assert found["crossed_high"] == pytest.approx(1.5 + half)
    found = adaptation([*RECORDS, *other], 1, BOOTSTRAP)["gain"]
    assert found["value"] == pytest.approx(1.75)
    wider = (half**2 + (12.706204736 * 0.25) ** 2) ** 0.5
    assert found["crossed_low"] == pytest.approx(1.75 - wider)
    assert found["crossed_high"] == pytest.approx(1.75 + wider)

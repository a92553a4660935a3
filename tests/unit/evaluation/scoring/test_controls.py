"""Cache, persona texts, strangers and equal updates at each K, in numbers worked out by hand."""

import pytest

from pipeline.evaluation.records.cached import cache_choice
from pipeline.evaluation.scoring.details import score_variant
from pipeline.evaluation.scoring.kshot import complaint
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from tests.support.prediction_builder import a_prediction, full
from tests.support.scored_records import BOOTSTRAP, RECORDS, written


def at(person, nats_per_token, protocol, **changes):
    """A reply of four tokens."""
    nats = {"nll": 4 * nats_per_token, "nll_end": 0.0}
    return a_prediction(**({"task_id": f"p{person}", "protocol": protocol} | nats | changes))


def mixed(*nats_per_token):
    return {repr(w): 4 * n for w, n in zip((0.0, 0.1, 0.2), nats_per_token, strict=True)}


def on_valid(k, *nats_per_token, protocol="k_shot"):
    record = {"split": "valid", "k": k, "epoch": 0, "cache_nll": mixed(*nats_per_token)}
    return at(0, nats_per_token[0], protocol, **record)


def test_valid_alone_chooses_the_weight_for_each_k():
    choice = cache_choice(
        [
            on_valid(1, 2.0, 1.9, 1.9),  # equal: the smaller
            on_valid(3, 2.0, 1.9, 1.8),
            on_valid(9, 2.0, 2.1, 2.2, protocol="leave_one_out"),
            at(0, 2.0, "k_shot", k=1, epoch=0, cache_nll=mixed(2.0, 1.9, 0.1)),  # of test
        ]
    )
    assert [choice.weight(k) for k in (1, 3, None, 8)] == ["0.1", "0.2", "0.0", None]


# Per person and token, at K = 0, with the own and a stranger's cache, fine-tuned on the own and a
# stranger's dialogues, with the own text.
NATS = {0: (3.0, 2.5, 3.2, 2.0, 3.5, 1.0), 1: (4.0, 3.9, 4.4, 3.0, 3.5, 2.0)}


def controlled():
    """Valid chooses 0.1 at K = 3; 0.2 would be better on test."""
    yield from (record for record in RECORDS if record.protocol != "k_shot")
    yield on_valid(3, 2.0, 1.9, 2.0)
    yield on_valid(9, 2.0, 2.0, 1.9, protocol="leave_one_out").model_copy(update={"task_id": "v0"})
    for person, (zero, cached, strange, tuned, swapped, with_text) in NATS.items():
        yield at(person, zero, "k_shot", k=0, epoch=0)
        own, other = mixed(zero, cached, 0.1), mixed(zero, strange, 0.1)
        yield at(person, zero, "k_shot", k=3, epoch=0, cache_nll=own)
        yield at(person, tuned, "k_shot", k=3, epoch=1)
        yield at(person, tuned, "k_shot", k=1, epoch=1)
        yield at(person, tuned + 0.5, "k_shot", k=1, epoch=3)
        yield at(person, zero, "k_shot_swap", k=3, epoch=0, cache_nll=other)
        yield at(person, swapped, "k_shot_swap", k=3, epoch=1)
        yield at(person, with_text, "text_own", k=0, epoch=0)


def values(node):
    if isinstance(node, dict):
        if "value" in node:
            return node["value"]
        return {key: values(value) for key, value in node.items()}
    return node


def shots():
    records = [r for r in controlled() if (r.split, r.k, r.epoch) != ("valid", 9, 0)]
    return written(records, BOOTSTRAP).details["k_shot"]


def test_a_cache_at_k_has_the_weight_of_valid():
    (found,) = shots()["cache"].items()
    assert (found[0], values(found[1])) == (
        "3",
        {
            "weight": 0.1,
            "gain": pytest.approx((0.5 + 0.1) / 2),
            "swap_gain": pytest.approx((-0.2 - 0.4) / 2),
            "behind_fine_tuning": pytest.approx((0.5 + 0.9) / 2),
        },
    )


def test_a_strangers_dialogues_at_k():
    found = values(shots()["swap"])
    assert found["3"] == pytest.approx({"swap_gain": (-0.5 + 0.5) / 2, "swap_gap": (1.5 + 0.5) / 2})


def test_the_share_of_the_texts_worth_that_dialogues_recover():
    """Both gain 1 at K = 3; the text is worth 2 to both."""
    assert values(shots()["recovered"])["3"] == pytest.approx({"share": 0.5, "worth": 2.0})


def test_no_share_of_a_worth_that_may_be_nothing():
    worthless = {0: -0.1, 1: 0.2}
    records = [
        at(int(r.task_id[1]), NATS[int(r.task_id[1])][0] - worthless[int(r.task_id[1])], "text_own")
        if r.protocol == "text_own"
        else r
        for r in controlled()
    ]
    records = [
        r.model_copy(update={"k": 0, "epoch": 0}) if r.protocol == "text_own" else r
        for r in records
        if (r.split, r.k, r.epoch) != ("valid", 9, 0)
    ]
    found = written(records, Bootstrap(200, 0)).details["k_shot"]["recovered"]["3"]
    assert found["share"] is None
    assert found["worth"]["low"] < 0 < found["worth"]["high"]


def test_k_is_held_apart_from_the_number_of_updates():
    """One dialogue three times and three dialogues once; other products have a single K."""
    assert values(shots()["equal_updates"]) == {"3": {"1": pytest.approx(0.5), "3": 1.0}}


def test_texts_in_table_1s_setting():
    """Before, after, with 4 tokens: the records of Table 1 have 7 nats and 1 + person."""
    records = [*RECORDS]
    for person in (0, 1):
        name = f"p{person}"
        for epoch, nll in ((0, 7.0), (1, 3.0 + person)):
            for protocol, more in (("text_stranger", 2.0), ("text_none", 4.0 * (epoch + person))):
                own = {"task_id": name, "epoch": epoch, "protocol": protocol}
                records.append(a_prediction(nll=nll + more, **own))
    found = written(records, BOOTSTRAP).details["texts"]
    assert values(found) == {
        "stranger": {"before": 0.5, "after": 0.5},
        "worth": {"before": 0.5, "after": 1.5},
        "read": "read",
        "recovered": None,
    }
    assert written(RECORDS, BOOTSTRAP).details["texts"] is None


def test_a_prompt_that_holds_no_dialogue_is_called_empty():
    rest = [r for r in RECORDS if r.protocol != "k_shot"]
    zero = [full(task_id="p0", protocol="k_shot", k=0, epoch=0, turn=t) for t in range(4)]
    tuned = [full(task_id="p0", protocol="k_shot", k=2, epoch=1, turn=t) for t in range(4)]
    prompts = [full(task_id="p0", protocol="in_context", k=k, epoch=0, turn=k) for k in (1, 2)]
    records = [*rest, *zero, *tuned, *prompts]
    found = written(records, BOOTSTRAP).details["k_shot"]["in_context"]["2"]
    assert (found["mean_k"], found["holds_all"], found["empty"]) == (0.75, 25.0, True)
    said = complaint(score_variant(records, BOOTSTRAP).details.k_shot)
    assert said.startswith("the prompt control is empty: the context holds 0.75 at K = 2 support")
    more = full(task_id="p0", protocol="in_context", k=1, epoch=0, turn=0)
    found = written([*records, more], BOOTSTRAP)
    assert found.details["k_shot"]["in_context"]["2"]["empty"] is False
    assert complaint(score_variant([*records, more], BOOTSTRAP).details.k_shot) == ""

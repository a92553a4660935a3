"""The headline epoch: chosen on valid, pooled, ties to the smaller."""

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.records.headline import headline_epoch, headline_records, select
from tests.support.prediction_builder import a_prediction


def valid(epoch, nll, **changes):
    return a_prediction(split="valid", epoch=epoch, nll=nll, **changes)


def test_the_lowest_valid_nll_wins():
    assert headline_epoch([valid(0, 5.0), valid(1, 3.0), valid(3, 4.0)]) == 1


def test_of_equal_epochs_the_smaller_wins():
    assert headline_epoch([valid(3, 3.0), valid(1, 3.0), valid(0, 4.0)]) == 1


def test_replies_weigh_by_their_tokens():
    """Pooled 12 nats against 12.5; the mean over the replies' own means would choose epoch 1."""
    records = [
        valid(0, 1.0, nll_end=1.0, num_tokens=1),
        valid(0, 9.0, nll_end=1.0, num_tokens=8, turn=1),
        valid(1, 0.0, nll_end=0.0, num_tokens=1),
        valid(1, 12.5, nll_end=0.0, num_tokens=8, turn=1),
    ]
    assert headline_epoch(records) == 0


def test_seeds_are_pooled():
    records = [valid(0, 3.0, seed=0), valid(1, 1.0, seed=0)]
    assert headline_epoch(records) == 1
    assert headline_epoch([*records, valid(0, 3.0, seed=1), valid(1, 9.0, seed=1)]) == 0


def test_the_closing_token_counts():
    assert headline_epoch([valid(0, 3.0, nll_end=2.0), valid(1, 2.9, nll_end=2.2)]) == 0


def test_test_and_other_protocols_have_no_say():
    others = [
        a_prediction(epoch=1, nll=0.0),
        valid(1, 0.0, protocol="k_shot"),
        valid(1, 0.0, protocol="swap", turn=7),
    ]
    assert headline_epoch([valid(0, 3.0), valid(1, 4.0), *others]) == 0


@pytest.mark.parametrize("nll", [float("nan"), float("inf")])
def test_where_an_epoch_diverged_none_wins(nll):
    diverged = valid(1, 9.0).model_copy(update={"nll": nll})  # no file can hold it
    with pytest.raises(DataError, match=f"valid NLL is {nll} at epoch 1; lower finetune.lr"):
        headline_epoch([valid(0, 9.0), diverged, valid(3, 8.0)])


def test_nothing_to_choose_on_is_refused():
    with pytest.raises(DataError, match="no valid leave-one-out records"):
        headline_epoch([a_prediction()])


def test_epochs_must_score_the_same_replies():
    with pytest.raises(DataError, match="do not score the same replies at every epoch"):
        headline_epoch([valid(0, 3.0), valid(1, 3.0), valid(1, 0.0, turn=1)])


def test_headline_records_are_table_1s():
    wanted = [a_prediction(epoch=1, seed=seed) for seed in (0, 1)]
    others = [
        a_prediction(epoch=0),
        a_prediction(epoch=1, protocol="swap"),
        a_prediction(epoch=1, protocol="k_shot"),
        valid(0, 3.0),
        valid(1, 2.0),
    ]
    assert headline_records([*others, *wanted]) == wanted
    with pytest.raises(DataError, match="at the headline epoch, 1"):
        headline_records(others)


def test_select_leaves_open_what_is_not_asked():
    records = [a_prediction(protocol="k_shot", k=k, epoch=e) for k in (0, 3) for e in (0, 1)]
    assert select(records, "test", "k_shot") == records
    assert select(records, "test", "k_shot", k=0) == records[:2]
    assert select(records, "test", "k_shot", k=3, epoch=0) == [records[2]]
    assert select(records, "valid", "k_shot") == []

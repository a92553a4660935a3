"""Ranking metrics, on candidate lists that can be ranked by hand."""

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.metrics import ranking as metrics
from tests.support.prediction_builder import a_prediction, ranked


@pytest.mark.parametrize(
    ("record", "hit"),
    [
        (ranked([1.0, 2.0]), True),
        (ranked([2.0, 1.0]), False),
        (ranked([4.0, 3.0], tokens=[4, 2]), True),  # 1 a token against 1.5
        (ranked([3.0, 4.0], tokens=[2, 4]), False),
        (ranked([1.0, 1.0, 2.0]), False),  # a tie with a distractor
        (ranked([2.0, 2.0], tokens=[2, 2], equals=[True, True]), True),  # with itself
        (ranked([2.0, 1.0], equals=[True, True]), True),  # written in another way
        (ranked([1.0, 1.0, 1.0], equals=[True, True, False]), False),
    ],
)
def test_a_hit_needs_every_best_candidate_to_be_the_gold(record, hit):
    assert metrics.hits_at_1([record]) == 100 * hit


def test_hits_is_a_percentage_of_replies():
    records = [ranked([1.0, 2.0]), *[ranked([2.0, 1.0])] * 3]
    assert metrics.hits_at_1(records) == 25


def test_hits_by_sum_does_not_divide_by_tokens():
    record = ranked([4.0, 3.0], tokens=[4, 2])
    assert metrics.hits_at_1_by_sum([record]) == 0
    assert metrics.hits_at_1([record]) == 100


@pytest.mark.parametrize(
    ("record", "rank"),
    [
        (ranked([1.0, 2.0, 3.0]), 1),
        (ranked([3.0, 1.0, 2.0]), 3),
        (ranked([2.0, 1.0, 2.0, 2.0]), 3),  # one better, two ties count half
        (ranked([4.0, 3.0], tokens=[4, 2]), 1),
        (ranked([3.0, 1.0, 2.0], equals=[True, False, True]), 2),  # the better of two golds
        (ranked([1.0, 1.0, 2.0], equals=[True, True, False]), 1),  # which do not compete
    ],
)
def test_mean_rank_counts_ties_half_and_no_second_gold(record, rank):
    assert metrics.mean_rank([record]) == rank
    assert metrics.mean_rank([record, ranked([1.0, 2.0])]) == (rank + 1) / 2


@pytest.mark.parametrize(
    ("nll", "hit", "reciprocal"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], True, 1),
        ([5.0, 1.0, 2.0, 3.0, 4.0, 6.0], True, 1 / 5),
        ([6.0, 1.0, 2.0, 3.0, 4.0, 5.0], False, 1 / 6),
        ([4.0, 1.0, 2.0, 3.0, 4.0, 4.0], False, 1 / 6),  # the worst of the three places
        ([1.0, 1.0, 2.0, 3.0, 4.0, 5.0], True, 1 / 2),
    ],
)
def test_hits_at_5_and_mrr_take_the_worst_place_that_a_tie_allows(nll, hit, reciprocal):
    assert metrics.hits_at_5([ranked(nll)]) == 100 * hit
    assert metrics.mrr([ranked(nll)]) == pytest.approx(reciprocal)
    assert metrics.mrr([ranked(nll), ranked([1.0, 2.0])]) == pytest.approx((reciprocal + 1) / 2)


def by_name(name):
    return next(metric for metric in metrics.RANKING if metric.name == name)


def in_support(*said, nll, equals=None):
    return ranked(nll, None, equals).model_copy(update={"candidate_in_support": list(said)})


@pytest.mark.parametrize(
    ("record", "hit", "rank"),
    [
        (in_support(False, True, False, nll=[2.0, 1.0, 3.0]), True, 1),
        (in_support(False, False, True, nll=[2.0, 1.0, 3.0]), False, 2),
        (in_support(True, True, False, nll=[2.0, 1.0, 3.0]), True, 1),  # the gold stays
        (in_support(True, True, True, nll=[2.0, 1.0, 3.0]), True, 1),
        (in_support(False, True, False, nll=[2.0, 2.0, 2.0]), False, 1.5),
        (in_support(True, True, False, nll=[3.0, 1.0, 2.0], equals=[True, True, False]), True, 1),
    ],
)
def test_cleaned_lists_lack_what_the_persona_said_before_but_never_the_gold(record, hit, rank):
    assert by_name("hits_at_1_clean")([record]) == 100 * hit
    assert by_name("mean_rank_clean")([record]) == rank


def test_how_much_is_cleaned_away_is_reported():
    records = [in_support(True, True, False, nll=[2.0, 1.0, 3.0]), ranked([1.0, 2.0, 3.0])]
    assert metrics.candidates_cleaned_away(records) == 0.5


def test_pmi_takes_away_what_the_candidate_scores_alone():
    """Given: 6 and 5 nats; alone 9 and 7; so the first is made likelier by 3, the second by 2."""
    record = ranked([6.0, 5.0], tokens=[2, 2], candidate_nll_unconditional=[9.0, 7.0])
    assert metrics.hits_at_1([record]) == metrics.hits_at_1_by_sum([record]) == 0
    assert metrics.hits_at_1_by_pmi([record]) == 100
    other = ranked([6.0, 5.0], tokens=[2, 2], candidate_nll_unconditional=[8.0, 7.0])
    assert metrics.hits_at_1_by_pmi([other]) == 0  # a tie is no hit


def test_pmi_is_undefined_without_unconditional_scores():
    assert not metrics.hits_at_1_by_pmi.is_defined([ranked([1.0, 2.0])])
    assert by_name("hits_at_1_by_pmi_clean").needs == "candidate_nll_unconditional"
    mixed = [ranked([1.0, 2.0]), ranked([1.0, 2.0], candidate_nll_unconditional=[1.0, 1.0])]
    with pytest.raises(DataError, match="is null in 1 of 2 records"):
        metrics.hits_at_1_by_pmi(mixed)


def test_a_candidate_list_of_another_length_is_refused():
    with pytest.raises(ValueError, match="candidate lists differ in length"):
        ranked([1.0, 2.0], candidate_nll_unconditional=[1.0])
    with pytest.raises(ValueError, match="candidate lists differ in length"):
        a_prediction(candidate_nll_unconditional=[1.0])


@pytest.mark.parametrize("nll", [float("nan"), float("inf")])
def test_a_diverged_score_is_no_rank(nll):
    with pytest.raises(DataError, match="d0, turn 0: a candidate's NLL is not finite"):
        metrics.hits_at_1([ranked([2.0, 1.0]).model_copy(update={"candidate_nll": [nll, 1.0]})])

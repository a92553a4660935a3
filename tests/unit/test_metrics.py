"""Section 4.1's metrics, each on records whose score can be computed by hand."""

from math import exp

import pytest

from pipeline.evaluation import metrics
from pipeline.evaluation.aggregate import nats_per_token
from tests.prediction_builder import a_prediction, ranked


LONG = a_prediction(nll=6.0, nll_end=2.0, num_tokens=7, num_words=4)
SHORT = a_prediction(nll=1.0, nll_end=3.0, num_tokens=1, num_words=1)


def test_perplexity_pools_replies_and_counts_the_closing_token():
    """(8 + 4) nats over (8 + 2) tokens; not the mean of the two replies' 1 and 2."""
    assert nats_per_token([LONG, SHORT]) == pytest.approx(1.2)
    assert metrics.ppl([LONG, SHORT]) == pytest.approx(exp(1.2))


def test_perplexity_without_the_closing_token_and_per_word():
    assert metrics.ppl_without_end([LONG, SHORT]) == pytest.approx(exp(7 / 8))
    assert metrics.ppl_per_word([LONG, SHORT]) == pytest.approx(exp(7 / 5))


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
    ("response", "reference", "score"),
    [
        ("i like dogs", "i like dogs", 1),
        ("I LIKE, dogs!", "i like dogs .", 1),
        ("the dog", "a dog", 1),  # articles do not count
        ("dog's", "dog s", 1),
        ("cats", "i like dogs", 0),
        ("i like cats and dogs", "i like dogs", 6 / 8),
        ("dogs dogs dogs", "dogs dogs", 4 / 5),  # as often as they occur
        ("", "i like dogs", 0),
        ("dogs", "", 0),
        ("", "", 0),
        ("!?", "the", 0),  # nothing is left of either
        ("café ☃", "café", 2 / 3),
    ],
)
def test_word_f1_is_bag_overlap_after_normalisation(response, reference, score):
    assert metrics.word_f1(response, reference) == pytest.approx(score)


def test_f1_is_a_mean_of_percentages_over_replies():
    records = [
        a_prediction(response="i like dogs", greedy="", reference="i like dogs"),
        a_prediction(response="dogs", greedy="i like dogs", reference="i like dogs"),
    ]
    assert metrics.f1(records) == pytest.approx(100 * (1 + 0.5) / 2)
    assert metrics.greedy_f1(records) == pytest.approx(50)


def test_length_and_share_of_empty_responses():
    responses = ["i like dogs .", "", " ! ", "the"]
    records = [a_prediction(response=response) for response in responses]
    assert metrics.response_words(records) == (4 + 0 + 1 + 1) / 4
    assert metrics.empty_responses(records) == 75  # of "the" no word is left


def test_table_1_has_these_three():
    assert [metric.name for metric in metrics.TABLE_1] == ["ppl", "hits_at_1", "f1"]
    assert [metric.better for metric in metrics.TABLE_1] == ["lower", "higher", "higher"]

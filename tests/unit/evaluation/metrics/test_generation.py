"""Metrics of generated text, on responses whose score can be computed by hand."""

from math import exp

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.metrics import generation
from pipeline.evaluation.metrics.diversity import Diversity, distinct
from tests.support.prediction_builder import a_prediction


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
    assert generation.word_f1(response, reference) == pytest.approx(score)


def test_f1_is_a_mean_of_percentages_over_replies():
    records = [
        a_prediction(response="i like dogs", greedy="", reference="i like dogs"),
        a_prediction(response="dogs", greedy="i like dogs", reference="i like dogs"),
    ]
    assert generation.f1(records) == pytest.approx(100 * (1 + 0.5) / 2)
    assert generation.greedy_f1(records) == pytest.approx(50)


def test_length_and_share_of_empty_responses():
    texts = ["i like dogs .", "", " ! ", "the"]
    records = [a_prediction(response=text, greedy=text) for text in texts]
    lengths = generation.response_words, generation.greedy_words
    assert [metric(records) for metric in lengths] == [(4 + 0 + 1 + 1) / 4] * 2
    assert generation.reference_words(records) == 2
    assert generation.response_empty(records) == 75  # of "the" no word is left
    assert generation.greedy_empty(records) == 75


def test_f1_of_several_samples_weighs_replies_the_same():
    records = [
        a_prediction(response="dogs", responses=["i like dogs", "cats"], reference="i like dogs"),
        a_prediction(response="cats", responses=["cats", "cats"], reference="i like dogs"),
    ]
    assert generation.f1_by_sample(records) == pytest.approx([25, 50, 0])
    assert generation.f1(records) == pytest.approx(25)
    assert generation.samples_f1(records) == pytest.approx(25)
    one = [a_prediction(response="dogs", reference="i like dogs")]
    assert generation.samples_f1(one) == generation.f1(one) == 50
    assert generation.f1_by_sample([a_prediction()]) is None


def test_replies_with_different_numbers_of_samples_are_refused():
    records = [a_prediction(response="a", responses=["b"]), a_prediction(response="a")]
    with pytest.raises(DataError, match="differ in their number of samples"):
        generation.f1_by_sample(records)
    with pytest.raises(ValueError, match="response must be given"):
        a_prediction(responses=["b"])


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0),
        ("i", 0),
        ("i am i", 0),
        ("i am i am", 1 / 3),
        ("no no no no", 2 / 3),
        ("No , no ,", 1 / 3),  # marks are words, case is not seen
    ],
)
def test_repetition_counts_bigrams_that_stood_there_before(text, share):
    assert generation.repeated_bigrams(text) == pytest.approx(share)
    records = [a_prediction(response=text, greedy=text), a_prediction(response="", greedy="")]
    assert generation.response_repetition(records) == pytest.approx(50 * share)
    assert generation.greedy_repetition(records) == pytest.approx(50 * share)


def test_bleu_by_hand():
    """3 of 5 words, 1 of 4 bigrams; no trigram counts as a half, no four-gram as a quarter."""
    records = [a_prediction(response="we like big dogs .", reference="i like big cats .")]
    assert generation.bleu(records) == pytest.approx(
        100 * (3 / 5 * 1 / 4 * (1 / 2) / 3 * (1 / 4) / 2) ** 0.25
    )
    short = [a_prediction(response="i like big dogs", reference="i like big dogs and cats")]
    assert generation.bleu(short) == pytest.approx(100 * exp(1 - 6 / 4))


@pytest.mark.parametrize("response", ["", "cats", "dogs", "like dogs here", "!?"])
def test_bleu_without_a_match_or_a_four_gram_is_0(response):
    assert generation.bleu([a_prediction(response=response, reference="i like dogs")]) == 0


def test_bleu_pools_n_grams_over_replies():
    whole = a_prediction(response="i like big red dogs", reference="i like big red dogs")
    empty = a_prediction(response="", reference="i like big red dogs")
    assert generation.bleu([whole]) == pytest.approx(100)
    assert generation.bleu([whole, empty]) == pytest.approx(100 * exp(1 - 2))


def test_distinct_pools_texts_but_not_seeds():
    texts = ["i like dogs", "I like cats", "", "like"]
    assert distinct(texts, 1) == 4 / 7
    assert distinct(texts, 2) == 3 / 4
    assert distinct(["", "!"], 2) == 0
    one = [a_prediction(response=text, turn=i) for i, text in enumerate(texts)]
    two = [a_prediction(response="i i", seed=1)]
    assert Diversity("response", 1)(one) == pytest.approx(400 / 7)
    assert Diversity("response", 1)([*one, *two]) == pytest.approx((400 / 7 + 50) / 2)
    assert Diversity("greedy", 1)(one) is None
    assert Diversity("reference", 2)(one) == 100 * 2 / 8

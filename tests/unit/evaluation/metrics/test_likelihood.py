"""Perplexities and bits per byte, on records whose score can be computed by hand."""

from math import exp

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.metrics import likelihood as metrics
from pipeline.evaluation.records.metric import nats_per_token
from tests.support.prediction_builder import a_prediction


LONG = a_prediction(nll=6.0, nll_end=2.0, num_tokens=7, num_words=4)
SHORT = a_prediction(nll=1.0, nll_end=3.0, num_tokens=1, num_words=1)


def test_perplexity_pools_replies_and_counts_the_closing_token():
    """(8 + 4) nats over (8 + 2) tokens; not the mean of the two replies' 1 and 2."""
    assert nats_per_token([LONG, SHORT]) == pytest.approx(1.2)
    assert metrics.ppl([LONG, SHORT]) == pytest.approx(exp(1.2))


def test_perplexity_without_the_closing_token_and_per_word():
    assert metrics.ppl_without_end([LONG, SHORT]) == pytest.approx(exp(7 / 8))
    assert metrics.ppl_per_word([LONG, SHORT]) == pytest.approx(exp(7 / 5))


def test_bits_per_byte_counts_utf8_and_neither_the_closing_token_nor_the_blank():
    """12 nats over 7 + 2 bytes: é has two."""
    records = [
        a_prediction(nll=8.0, nll_end=5.0, reference="café !"),
        a_prediction(nll=4.0, nll_end=5.0, reference="é"),
    ]
    assert [len(r.reference.encode()) for r in records] == [7, 2]
    assert metrics.bits_per_byte(records) == pytest.approx(12 / 9 / 0.6931471805599453)


def test_replies_without_a_byte_are_refused_not_divided_by():
    with pytest.raises(DataError, match=r"bits_per_byte is inf: .* all replies are empty"):
        metrics.bits_per_byte([a_prediction(reference="")])
    both = [a_prediction(reference=""), a_prediction(reference="abc")]
    assert metrics.bits_per_byte(both) == pytest.approx(6 / 3 / 0.6931471805599453)

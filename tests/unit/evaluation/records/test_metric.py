"""What every metric has in common: exact sums, and what it refuses."""

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import f1, hits_at_1, ppl
from pipeline.evaluation.records.metric import nats_per_token
from tests.support.prediction_builder import a_prediction, ranked


def test_the_order_of_records_cannot_change_a_bit():
    """One after the other, 1e16 + 1 + 1 is 1e16, and 1 + 1 + 1e16 is not."""
    records = [a_prediction(nll=nll, nll_end=0.0) for nll in (1e16, 1.0, 1.0)]
    assert nats_per_token(records) == nats_per_token(records[::-1])


def test_no_records_are_refused():
    with pytest.raises(DataError, match=r"ppl cannot be computed: no records"):
        ppl([])


@pytest.mark.parametrize(("metric", "field"), [(hits_at_1, "candidate_nll"), (f1, "response")])
def test_records_without_what_the_metric_needs_are_refused(metric, field):
    records = [a_prediction(), a_prediction(turn=1)]
    assert not metric.is_defined(records)
    with pytest.raises(DataError, match=rf"{metric.name} .*none of 2 records has `{field}`"):
        metric(records)


def test_a_metric_never_leaves_replies_out():
    records = [a_prediction(), ranked([1.0, 2.0]), ranked([2.0, 1.0])]
    with pytest.raises(DataError, match=r"`candidate_nll` is null in 1 of 3 records"):
        hits_at_1(records)


@pytest.mark.parametrize("nll", [float("inf"), float("nan"), 1e6])
def test_a_diverged_model_is_named_as_such(nll):
    with pytest.raises(DataError, match=r"ppl is (inf|nan): fine-tuning diverged"):
        ppl([a_prediction().model_copy(update={"nll": nll})])

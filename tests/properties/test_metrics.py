"""What holds of every metric and statistic, whatever the records."""

from math import exp, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.comparison.paired import holm, sign_flip_p
from pipeline.evaluation.metrics import all as metrics
from pipeline.evaluation.metrics import ranking
from pipeline.evaluation.metrics.generation import word_f1
from pipeline.evaluation.records.headline import headline_epoch
from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.statistics.bootstrap import Bootstrap, by_persona
from pipeline.persona.task.text import normalise
from tests.support.prediction_builder import a_prediction, ranked


nats = st.floats(0, 50)
texts = st.text(alphabet=" abthe.,'!é☃-", max_size=30)


@st.composite
def replies(draw, min_size=1):
    """Records of several personas, seeds and lengths."""
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 4), st.integers(0, 1), nats, nats, st.integers(0, 9)),
            min_size=min_size,
            max_size=12,
        )
    )
    return [
        a_prediction(
            task_id=f"p{person}", seed=seed, nll=nll, nll_end=end, num_tokens=size, turn=turn
        )
        for turn, (person, _, nll, end, size) in enumerate(rows)
        for seed in sorted({row[1] for row in rows})  # each persona has all seeds, as in a run
    ]


@st.composite
def rankings(draw):
    """A record with candidates; few different values, so that ties occur."""
    size = draw(st.integers(1, 6))
    per_candidate = {"min_size": size, "max_size": size}
    equals = draw(st.lists(st.booleans(), **per_candidate).filter(any))
    nll = draw(st.lists(st.integers(0, 3).map(float), **per_candidate))
    tokens = draw(st.lists(st.integers(1, 2), **per_candidate))
    return ranked(nll, tokens, equals)


@given(replies())
def test_perplexity_is_at_least_1_and_between_its_personas(records):
    values = [metrics.ppl(of_one) for of_one in by_persona(records).values()]
    assert metrics.ppl(records) >= 1
    assert min(values) * (1 - 1e-9) <= metrics.ppl(records) <= max(values) * (1 + 1e-9)
    assert metrics.ppl(records) == pytest.approx(exp(nats_per_token(records)))


@given(replies(), st.randoms())
def test_the_order_of_records_changes_nothing(records, random):
    shuffled = list(records)
    random.shuffle(shuffled)
    assert metrics.ppl(shuffled) == metrics.ppl(records)
    one, two = (Bootstrap(20, 0).metric(metrics.ppl, some) for some in (records, shuffled))
    assert one == two


@given(replies())
def test_doubling_the_records_changes_no_ratio(records):
    assert metrics.ppl(records + records) == pytest.approx(metrics.ppl(records))


@given(rankings(), st.randoms())
def test_the_place_of_a_candidate_changes_nothing(record, random):
    order = list(range(len(record.candidate_nll)))
    random.shuffle(order)
    moved = ranked(
        *(
            [values[i] for i in order]
            for values in (
                record.candidate_nll,
                record.candidate_tokens,
                record.candidate_equals_gold,
            )
        )
    )
    for metric in (m for m in ranking.RANKING if m.needs == "candidate_nll"):
        assert metric([moved]) == metric([record])


@given(rankings())
def test_a_hit_is_rank_1_and_ranks_are_possible(record):
    rank = metrics.mean_rank([record])
    others = record.candidate_equals_gold.count(False)
    assert 1 <= rank <= 1 + others
    assert (metrics.hits_at_1([record]) == 100) == (rank == 1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(0, 7))
def test_better_gold_scores_never_rank_worse(scores, step):
    gold = [i == 0 for i in range(len(scores))]
    better = [scores[0] - step, *scores[1:]]
    assert ranking.rank_of_gold(better, gold) <= ranking.rank_of_gold(scores, gold)


@given(texts, texts)
def test_word_f1_is_symmetric_bounded_and_1_only_for_the_same_bag(one, two):
    score = word_f1(one, two)
    assert score == word_f1(two, one)
    assert 0 <= score <= 1
    bags = [sorted(normalise(text).split()) for text in (one, two)]
    assert (score == 1) == (bags[0] == bags[1] != [])


@given(texts, texts)
def test_word_f1_does_not_see_case_or_articles(one, two):
    assert word_f1(f"The {one} AN", two) == word_f1(one, two)


@given(st.dictionaries(st.integers(0, 9), nats, min_size=1))
def test_the_headline_epoch_is_one_of_the_best(nll_by_epoch):
    records = [
        a_prediction(split="valid", epoch=epoch, nll=nll) for epoch, nll in nll_by_epoch.items()
    ]
    chosen = headline_epoch(records)
    per_token = {epoch: nats_per_token([r]) for epoch, r in zip(nll_by_epoch, records, strict=True)}
    best = min(per_token.values(), default=inf)
    assert per_token[chosen] == best
    assert all(value > best for epoch, value in per_token.items() if epoch < chosen)


@given(replies(min_size=2))
def test_an_interval_stays_within_the_personas(records):
    """No mixture of personas lies outside the best and the worst of them."""
    estimate = Bootstrap(30, 0).metric(nats_per_token, records)
    values = [nats_per_token(of_one) for of_one in by_persona(records).values()]
    if len(values) == 1:
        assert estimate.low is estimate.high is None
    else:
        assert min(values) - 1e-9 <= estimate.low <= estimate.high <= max(values) + 1e-9


# Below 1e-200 another unit would round a difference to 0.
DIFFERENCES = st.floats(-5, 5).map(lambda nats: nats if abs(nats) > 1e-200 else 0.0)


@given(st.lists(DIFFERENCES, min_size=1, max_size=30), st.floats(0.1, 10))
def test_p_values_are_probabilities_and_free_of_sign_and_unit(differences, unit):
    values = np.array(differences)
    p = sign_flip_p(values, permutations=40, seed=0)
    assert 0 < p <= 1
    assert sign_flip_p(-values, permutations=40, seed=0) == p
    assert abs(log(sign_flip_p(unit * values, permutations=40, seed=0) / p)) < 1e-9


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_only_raises(p_values):
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    ordered = [q for _, q in sorted(zip(p_values, adjusted, strict=True))]
    assert ordered == sorted(ordered)

"""Metrics against second implementations that share no code with ours."""

import json
import string
import tarfile
from fractions import Fraction
from math import exp
from random import Random

import numpy as np
import pytest
from sklearn.metrics import ndcg_score, top_k_accuracy_score

from pipeline import artifacts
from pipeline.evaluation.floors.constant_reply import best_reply, mean_f1
from pipeline.evaluation.metrics import all as metrics
from pipeline.evaluation.metrics import generation, likelihood, ranking
from pipeline.evaluation.records.prediction import Prediction
from tests.support.prediction_builder import a_prediction, ranked


WORDS = ["i", "you", "the", "a", "an", "dog", "dogs", "like", "don't", "cat's", ",", "!", "20", "é"]


def sentence(random, most=12):
    return " ".join(random.choice(WORDS) for _ in range(random.randint(0, most)))


def plain_f1(response, reference):
    """Word F1 by pairing words off, with exact fractions; no regular expression, no Counter."""

    def bag(text):
        marks = set(string.punctuation)
        spaced = "".join(" " if c in marks else c for c in text.lower())
        return [word for word in spaced.split() if word not in ("a", "an", "the")]

    predicted, gold = bag(response), bag(reference)
    left, shared = list(gold), 0
    for word in predicted:
        if word in left:
            left.remove(word)
            shared += 1
    if not shared:
        return Fraction(0)
    precision, recall = Fraction(shared, len(predicted)), Fraction(shared, len(gold))
    return 2 * precision * recall / (precision + recall)


def test_f1_equals_pairing_words_off():
    random = Random(0)
    pairs = [(sentence(random), sentence(random)) for _ in range(500)]
    for response, reference in pairs:
        assert generation.word_f1(response, reference) == pytest.approx(
            float(plain_f1(response, reference)), abs=1e-15
        )
    records = [a_prediction(response=one, reference=two) for one, two in pairs]
    mean = sum(plain_f1(*pair) for pair in pairs) / len(pairs)
    assert metrics.f1(records) == pytest.approx(float(100 * mean), abs=1e-12)


@pytest.mark.real_data
def test_f1_equals_pairing_words_off_on_real_text(real_data):
    with tarfile.open(real_data / "personachat/personachat_partial.tgz") as archive:
        text = archive.extractfile("personachat/valid_self_original.txt").read().decode()
    lines = [line.split("\t")[:2] for line in text.splitlines() if "\t" in line]
    assert len(lines) == 3920
    for partner, reply in lines:
        assert generation.word_f1(partner, reply) == pytest.approx(
            float(plain_f1(partner, reply)), abs=1e-15
        )


def test_perplexities_equal_exact_fractions():
    random = Random(1)
    records = [
        a_prediction(
            nll=random.uniform(0, 60),
            nll_end=random.uniform(0, 5),
            num_tokens=random.randint(1, 20),
            num_words=random.randint(1, 15),
        )
        for _ in range(300)
    ]
    nats = sum(Fraction(r.nll) for r in records)
    ends = sum(Fraction(r.nll_end) for r in records)
    tokens, words = sum(r.num_tokens for r in records), sum(r.num_words for r in records)
    expected = (nats + ends) / (tokens + len(records))
    assert metrics.ppl(records) == pytest.approx(exp(expected), rel=1e-14)
    assert likelihood.ppl_without_end(records) == pytest.approx(exp(nats / tokens), rel=1e-14)
    assert metrics.ppl_per_word(records) == pytest.approx(exp(nats / words), rel=1e-14)


def random_rankings(count, candidates, seed):
    generator = np.random.default_rng(seed)
    nll = generator.uniform(1, 60, (count, candidates))
    tokens = generator.integers(1, 15, (count, candidates))
    gold = generator.integers(0, candidates, count).tolist()
    records = [
        ranked(nll[i].tolist(), tokens[i].tolist(), [j == gold[i] for j in range(candidates)])
        for i in range(count)
    ]
    return records, -nll / tokens, gold


def test_hits_equals_sklearns_accuracy_where_nothing_ties():
    records, scores, gold = random_rankings(400, 20, 2)
    labels = np.arange(20)
    expected = top_k_accuracy_score(gold, scores, k=1, labels=labels)
    assert metrics.hits_at_1(records) == pytest.approx(100 * expected)
    by_sum = -np.array([record.candidate_nll for record in records])
    expected = top_k_accuracy_score(gold, by_sum, k=1, labels=labels)
    assert ranking.hits_at_1_by_sum(records) == pytest.approx(100 * expected)


def test_mean_rank_equals_what_sklearns_gain_implies():
    """With one relevant candidate, nDCG is 1 / log2(1 + rank)."""
    records, scores, gold = random_rankings(50, 20, 3)
    for i, record in enumerate(records):
        relevant = np.eye(20)[[gold[i]]]
        gain = ndcg_score(relevant, scores[[i]])
        assert ranking.mean_rank([record]) == pytest.approx(2 ** (1 / gain) - 1)


def test_hits_with_ties_and_duplicates_equals_trying_every_order():
    """A hit is what first place is whichever way ties are broken."""
    random = Random(4)
    for _ in range(300):
        size = random.randint(1, 5)
        nll = [float(random.randint(1, 3)) for _ in range(size)]
        equals = [random.random() < 0.4 for _ in range(size)]
        equals[random.randrange(size)] = True
        order = sorted(range(size), key=lambda i: nll[i])
        firsts = [i for i in order if nll[i] == nll[order[0]]]
        hit = all(equals[i] for i in firsts)
        assert metrics.hits_at_1([ranked(nll, None, equals)]) == 100 * hit


def test_everything_again_from_the_stored_lines_alone(tmp_path):
    """DESIGN's formulas from the raw JSON, as anyone would write them."""
    random = Random(5)
    records, _, _ = random_rankings(60, 20, 5)
    records = [
        record.model_copy(update={"response": sentence(random), "reference": sentence(random)})
        for record in records
    ]
    path = tmp_path / "variant.jsonl"
    artifacts.write_records(path, records)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    hits = 0
    for line in lines:
        mean = [n / t for n, t in zip(line["candidate_nll"], line["candidate_tokens"], strict=True)]
        best = [i for i, value in enumerate(mean) if value == min(mean)]
        hits += all(line["candidate_equals_gold"][i] for i in best)
    nats = sum(line["nll"] + line["nll_end"] for line in lines)
    tokens = sum(line["num_tokens"] + 1 for line in lines)
    f1 = sum(plain_f1(line["response"], line["reference"]) for line in lines)
    again = artifacts.read_records(path, Prediction, made_by="finetune variant")
    assert metrics.hits_at_1(again) == pytest.approx(100 * hits / 60, abs=1e-9)
    assert metrics.ppl(again) == pytest.approx(exp(nats / tokens), abs=1e-9)
    assert metrics.f1(again) == pytest.approx(float(100 * f1 / 60), abs=1e-9)


def test_the_constant_reply_is_the_best_of_all():
    """Fewer replies than are tried: exactly the best, by trying each."""
    random = Random(12)
    train = [sentence(random) or "i" for _ in range(80)]
    best = max(mean_f1(reply, train) for reply in train)
    assert mean_f1(best_reply(train), train) == pytest.approx(best)

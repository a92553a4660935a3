"""Every metric against a second scorer, written from the docs, and BLEU against sacrebleu whole.

Real text, unicode, empty strings, punctuation only, ties and duplicates.
"""

import json
import subprocess
import sys
import tarfile
from random import Random

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import artifacts
from pipeline.evaluation.metrics.all import ALL
from pipeline.evaluation.metrics.bleu import SIGNATURE, bleu_of
from pipeline.evaluation.metrics.diversity import DIVERSITY
from pipeline.evaluation.metrics.generation import bleu, bleu_counts, word_f1
from pipeline.evaluation.scoring.details import score_variant
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.persona.task.text import normalise, words
from tests.support import independent_scorer
from tests.support.prediction_builder import a_prediction
from tests.wiring.closure import ROOT


SAID = [
    "i like dogs .",
    "i LIKE dogs.",
    "the dog's café , a n the café !",
    "Ünïcödé — “quotes” … 😀 ½ ① don't",
    "",
    "!?",
    "a",
    "no no no no no no",
    "ß İ ﬁ x\u00a0y\u2003z",
    "1,000.50 $ & <unk> it's 3.5-4",
]
texts = st.one_of(st.sampled_from(SAID), st.text(max_size=25), st.text(" abthe.,'!é", max_size=25))


@st.composite
def a_ranked(draw, size):
    """Few different values, so that ties occur; duplicates of the gold and of others."""
    each = {"min_size": size, "max_size": size}
    nats = st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), **each)
    equals = draw(st.lists(st.booleans(), **each).filter(any))
    return {
        "candidate_nll": draw(nats),
        "candidate_nll_unconditional": draw(nats),
        "candidate_head": [-x for x in draw(nats)],
        "candidate_tokens": draw(st.lists(st.integers(1, 2), **each)),
        "candidate_equals_gold": equals,
        "candidate_in_support": draw(st.lists(st.booleans(), **each)),
        "gold": equals.index(True),
    }


@st.composite
def records(draw):
    size = draw(st.integers(1, 7))
    extra = draw(st.integers(0, 2))
    found = []
    for turn in range(draw(st.integers(1, 5))):
        reference = draw(texts) + "x"  # some word: else nothing is to be divided by
        found.append(
            a_prediction(
                task_id=f"p{draw(st.integers(0, 2))}",
                seed=draw(st.integers(0, 1)),
                turn=turn,
                nll=draw(st.floats(0, 40)),
                nll_end=draw(st.floats(0, 9)),
                num_tokens=draw(st.integers(1, 9)),
                num_words=len(words(reference)),
                reference=reference,
                response=draw(texts),
                responses=[draw(texts) for _ in range(extra)],
                greedy=draw(texts),
                persona=draw(st.lists(texts, max_size=3)),
                **draw(a_ranked(size)),
            )
        )
    return found


def ours(found):
    return {metric.name: metric(found) for metric in (*ALL, *DIVERSITY)}


def as_lines(found):
    return [json.loads(record.model_dump_json()) for record in found]


@settings(max_examples=150, deadline=None)
@given(records())
def test_every_metric_equals_the_second_scorers(found):
    assert ours(found) == pytest.approx(
        independent_scorer.score(as_lines(found)), rel=1e-12, abs=1e-12
    )


@settings(max_examples=200, deadline=None)
@given(texts)
def test_words_and_bags_are_those_of_the_second_scorer(text):
    assert words(text) == independent_scorer.split_words(text)
    assert normalise(text).split() == independent_scorer.bag(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_bleu_of_sums_is_sacrebleus_corpus_bleu(pairs):
    found = [a_prediction(response=one, reference=two) for one, two in pairs]
    expected = sacrebleu.corpus_bleu([one for one, _ in pairs], [[two for _, two in pairs]])
    assert bleu(found) == pytest.approx(expected.score, rel=1e-12, abs=1e-12)


def test_bleus_bootstrap_sums_are_those_of_a_corpus_with_repeated_personas():
    """Weights 2, 0 and 1 on three personas' sums: the corpus that holds the first twice."""
    pairs = [("i like big red dogs", "i like big dogs"), ("no", "yes ."), ("we all do it", "we do")]
    rows = [bleu_counts(*pair) for pair in pairs]
    sums = [2 * a + 0 * b + c for a, b, c in zip(*rows, strict=True)]
    drawn = [pairs[0], pairs[0], pairs[2]]
    expected = sacrebleu.corpus_bleu([one for one, _ in drawn], [[two for _, two in drawn]])
    assert float(bleu_of(np.array(sums, dtype=float))) == pytest.approx(expected.score)


def test_the_signature_is_sacrebleus_own():
    scorer = sacrebleu.metrics.BLEU()
    scorer.corpus_score(["a"], [["a"]])
    assert str(scorer.get_signature()).startswith(SIGNATURE)


def test_the_second_scorer_as_a_command(tmp_path):
    """Stored lines of several settings: it finds the headline epoch, and every number."""
    random = Random(3)
    lines = []
    for person in range(3):
        for split in ("valid", "test"):
            for epoch in (0, 1):
                gold = random.randrange(4)
                lines.append(
                    a_prediction(
                        task_id=f"{split}{person}",
                        split=split,
                        epoch=epoch,
                        nll=5.0 - epoch + random.random(),
                        reference="i like dogs",
                        num_words=3,
                        response=random.choice(SAID),
                        greedy=random.choice(SAID),
                        persona=[random.choice(SAID), random.choice(SAID)],
                        candidate_nll=[random.uniform(1, 9) for _ in range(4)],
                        candidate_nll_unconditional=[random.uniform(1, 9) for _ in range(4)],
                        candidate_tokens=[random.randint(1, 5) for _ in range(4)],
                        candidate_head=[random.uniform(-9, 9) for _ in range(4)],
                        candidate_equals_gold=[i == gold for i in range(4)],
                        candidate_in_support=[random.random() < 0.3 for _ in range(4)],
                        gold=gold,
                    )
                )
    path = tmp_path / "variant.jsonl"
    artifacts.write_records(path, lines)
    done = subprocess.run(
        [sys.executable, ROOT / "tests/support/independent_scorer.py", path],
        capture_output=True,
        text=True,
        check=True,
    )
    second = json.loads(done.stdout)
    details = score_variant(lines, Bootstrap(20, 0)).details.content()
    first = {name: value["value"] for name, value in details["metrics"].items()}
    assert first == pytest.approx(second, abs=1e-9)
    table_1 = score_variant(lines, Bootstrap(20, 0)).metrics.content()
    assert table_1 == pytest.approx({name: second[name] for name in table_1}, abs=1e-9)


@pytest.mark.real_data
def test_real_text_against_the_second_scorer(real_data):
    with tarfile.open(real_data / "personachat/personachat_partial.tgz") as archive:
        text = archive.extractfile("personachat/test_self_original.txt").read().decode()
    pairs = [line.split("\t")[:2] for line in text.splitlines() if "\t" in line]
    found = [a_prediction(response=one, reference=two) for one, two in pairs]
    for one, two in pairs:
        assert word_f1(one, two) == pytest.approx(independent_scorer.f1(one, two), abs=1e-15)
        assert words(one) == independent_scorer.split_words(one)
    expected = sacrebleu.corpus_bleu([one for one, _ in pairs], [[two for _, two in pairs]])
    assert len(pairs) > 3000
    assert bleu(found) == pytest.approx(expected.score, abs=1e-9)

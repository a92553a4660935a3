"""Claims answered by likelihoods after K dialogues, against values made by hand."""

import numpy as np
import pytest

from pipeline.evaluation.comparison.paired import sign_flip_p
from pipeline.evaluation.few_shot.shot_answers import Side
from pipeline.evaluation.few_shot.shot_tests import shot_tests
from pipeline.evaluation.few_shot.shots import ShotSums
from pipeline.evaluation.kept.documents.shot_tables import ShotQuote
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.params import Claim


BOOTSTRAP = Bootstrap(2000, 0)
PEOPLE = [f"p{n:02d}" for n in range(14)]
SPREAD = np.linspace(-0.05, 0.05, len(PEOPLE))
CLAIM = Claim(a="meta", b="normal", question="Is it ahead?")


def row(nats: dict[int, float], prompted: dict[int, float] | None = None, seeds=1) -> ShotSums:
    """A row whose persons vary around a mean at each K; ten tokens each."""

    def cells(mean: float, k: int):
        noise = np.sin(mean * 100 + np.arange(seeds)) * 0.001 if seeds > 1 else [0.0]
        return [[[10 * (mean + own + n), 10.0] for n in noise] for own in SPREAD * (1 + k)]

    return ShotSums(
        seeds=list(range(seeds)),
        personas=PEOPLE,
        by_k=[],
        tuned={k: cells(mean, k) for k, mean in nats.items()},
        by_word={},
        prompted={k: cells(mean, k) for k, mean in (prompted or {}).items()},
        prompted_k={k: float(k) for k in prompted or {}},
    )


def found(rows, margin=0.01, **more):
    return shot_tests(rows, [CLAIM], margin=margin, bootstrap=BOOTSTRAP, **more)


def of(tests, family):
    return [test for test in tests.tests if test.family == family]


def test_a_claim_is_answered_at_every_k_over_0():
    rows = {"meta": row({0: 4.0, 1: 3.5, 3: 3.4}), "normal": row({0: 4.0, 1: 3.6, 3: 3.4})}
    first, second = of(found(rows), "claims")
    assert (first.a, first.b) == (
        Side(row="meta", k=1, way="gradient"),
        Side(row="normal", k=1, way="gradient"),
    )
    assert first.question == "Is it ahead?"
    assert first.difference.value == pytest.approx(-0.1)
    assert (first.answer, second.answer) == ("better", "equivalent")
    assert second.difference.value == pytest.approx(0.0)


def test_a_row_that_is_scored_without_dialogues_alone_is_compared_there():
    rows = {"meta": row({0: 4.0, 1: 3.5}), "normal": row({0: 4.2})}
    (test,) = of(found(rows), "claims")
    assert (test.a.k, test.b.k, test.answer) == (0, 0, "better")
    assert test.difference.value == pytest.approx(-0.2)
    assert of(found(rows), "claims_of_gains") == []


def test_whether_the_first_gains_more_is_a_question_of_its_own():
    """It starts behind and ends ahead by 0.1, so its dialogues bring it 0.3 more."""
    rows = {"meta": row({0: 4.2, 1: 3.5}), "normal": row({0: 4.0, 1: 3.6})}
    (test,) = of(found(rows), "claims_of_gains")
    assert test.difference.value == pytest.approx(-0.3)
    assert (test.question, test.answer) == ("Is it ahead?", "better")
    assert ShotQuote(found(rows)).more_gained("meta", "normal", 1).startswith("-0.300 [")
    seeds = {name: row({0: 4.0, 1: 3.5}, seeds=3) for name in rows}
    assert of(found(seeds), "claims_of_gains")[0].difference.crossed_low is not None


def test_perplexity_per_word_is_of_all_people_together():
    """It is exp of all nats over all words, so a person with many words weighs more."""
    one = row({0: 4.0, 1: 3.5})
    one.by_word[1] = [[[3.0, 1.0]], *[[[10.0, 5.0]]] * 13]
    levels = {level.side.k: level.ppl_per_word for level in found({"meta": one}).levels}
    assert levels[0] is None
    assert levels[1].value == pytest.approx(np.exp((3 + 130) / (1 + 65)))
    assert levels[1].low < levels[1].value < levels[1].high


def test_p_values_are_the_sign_flips_and_holms():
    rows = {"meta": row({0: 4.0, 1: 3.51}), "normal": row({0: 4.0, 1: 3.5})}
    rows["meta"].tuned[1][0][0][0] += 10  # one person's loss, so that the rest is not alike
    (test,) = of(found(rows, margin=None), "claims")
    differences = rows["meta"].nats(1)[:, 0] - rows["normal"].nats(1)[:, 0]
    assert test.p == sign_flip_p(differences, permutations=2000, seed=0)
    assert test.p_holm == test.p
    gains = of(found(rows, margin=None), "gains")
    assert [gain.p_holm for gain in gains] == [min(1.0, 2 * gain.p) for gain in gains]
    assert test.equivalence is None


def test_the_other_sign_is_worse_and_a_wide_spread_says_nothing():
    rows = {"meta": row({0: 4.0, 1: 3.7}), "normal": row({0: 4.0, 1: 3.6})}
    assert [test.answer for test in of(found(rows), "claims")] == ["worse"]
    rows["meta"].tuned[1][0][0][0] += 100
    rows["meta"].tuned[1][1][0][0] -= 100
    assert [test.answer for test in of(found(rows), "claims")] == ["not distinguishable"]


def test_with_seeds_the_interval_is_over_them_too():
    rows = {"meta": row({0: 4.0, 1: 3.5}, seeds=3), "normal": row({0: 4.0, 1: 3.6}, seeds=3)}
    (test,) = of(found(rows), "claims")
    difference = test.difference
    assert difference.crossed_low < difference.low < difference.value < difference.high
    assert difference.high < difference.crossed_high
    assert test.answer == "better"
    assert found(rows).seeds == [0, 1, 2]


def test_the_prompt_is_a_side_of_its_own():
    rows = {"normal": row({0: 4.0, 1: 3.6}, prompted={1: 3.5, 3: 3.3})}
    (way,) = of(found(rows), "ways")
    assert (way.a.way, way.b.way) == ("gradient", "prompt")
    assert way.difference.value == pytest.approx(0.1)
    assert way.answer == "worse"
    assert {(gain.a.k, gain.a.way) for gain in of(found(rows), "gains")} == {
        (1, "gradient"), (1, "prompt"), (3, "prompt")
    }  # fmt: skip


def test_the_share_of_the_persona_texts_worth():
    rows = {"text": row({0: 3.8}), "none": row({0: 4.0}), "normal": row({0: 3.9, 1: 3.85, 3: 3.8})}
    text = found(rows, text=("text", "none")).persona_text
    assert text.worth.value == pytest.approx(0.2)
    assert [one.share.value for one in text.recovered] == pytest.approx([0.25, 0.5])
    assert found(rows, text=("text", "there is none")).persona_text is None


def test_a_claim_about_a_row_that_is_not_there_waits():
    assert of(found({"meta": row({0: 4.0, 1: 3.5})}), "claims") == []


def test_the_persons_dialogues_are_compared_with_a_strangers():
    one = row({0: 4.0, 1: 3.5}, {1: 3.6})
    strange = row({0: 4.0, 1: 3.9}, {1: 3.7})
    one = one.model_copy(
        update={"stranger": {1: strange.tuned[1]}, "stranger_prompted": strange.prompted}
    )
    ways = {(test.a.way, test.b.way): test for test in of(found({"meta": one}), "ways")}
    assert set(ways) == {
        ("gradient", "prompt"),
        ("gradient", "stranger"),
        ("prompt", "stranger_prompt"),
    }
    assert ways["gradient", "stranger"].difference.value == pytest.approx(-0.4)
    assert ways["prompt", "stranger_prompt"].difference.value == pytest.approx(-0.1)


def test_a_document_quotes_what_was_found():
    rows = {
        "meta": row({0: 4.0, 1: 3.5}, {1: 3.6}),
        "normal": row({0: 4.0, 1: 3.6}),
        "text": row({0: 3.0}),
    }
    rows["meta"].by_word[1] = [[[10.0, 5.0]]] * len(PEOPLE)
    quote = ShotQuote(found(rows, text=("text", "meta")))
    assert quote.claim("meta", "normal", 1).startswith("-0.100 [-0.100, -0.100], p < 0.001: better")
    assert quote.gain("meta", 1, "prompt").startswith("-0.400 ")
    assert quote.ways("meta", 1, "gradient", "prompt").startswith("-0.100 ")
    assert quote.nats("meta", 1, "prompt").startswith("3.600 ")
    assert quote.per_word("meta", 1).startswith("7.4 ")  # e^2
    assert quote.share("meta", 1).startswith("0.50 ")
    assert quote.table(["normal", "meta"]).split("\n")[2].startswith("| `normal` | 4.000 ")
    for missing in (
        lambda: quote.claim("normal", "meta", 1),
        lambda: quote.nats("meta", 9),
        lambda: quote.per_word("normal", 1),
    ):
        with pytest.raises(ValueError, match=r"not tested|not scored|not counted"):
            missing()

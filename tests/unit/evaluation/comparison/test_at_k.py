"""Claims at each K and a variant against its controls: differences by hand, answers, seeds."""

import pytest

from pipeline.evaluation.comparison.at_k import compare_at_k
from pipeline.evaluation.comparison.levels import compare_levels
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.params import Claim
from tests.support.compared_variants import variant as levels_variant
from tests.support.prediction_builder import a_prediction


BOOTSTRAP = Bootstrap(samples=2000, seed=0)
CLAIM = Claim(a="meta", b="normal", question="Does it help?")
PEOPLE = 12


def replies(nats, protocol, *, k, epoch, seeds=(0,), cache=None, only=range(PEOPLE)):
    """One reply of four tokens per person; persons differ, by the same in every setting."""
    for seed in seeds:
        for person in only:
            extra = 0.05 * person
            yield a_prediction(
                task_id=f"p{person:02d}",
                seed=seed,
                protocol=protocol,
                k=k,
                epoch=epoch,
                nll=4 * (nats + extra + 0.001 * seed * (person % 3 - 1)),
                nll_end=0.0,
                cache_nll=cache and {w: 4 * (n + extra) for w, n in cache.items()},
            )


def records(zero, at_one, at_three, **options):
    """Nats per token at K = 0, 1, 3; a stranger's, a cache and prompts at K = 3."""
    for epoch, nats in ((0, 9.0), (1, 1.0)):
        yield a_prediction(task_id="v", split="valid", epoch=epoch, nll=nats)
    yield a_prediction(
        split="valid", protocol="k_shot", k=3, epoch=0, nll=1.0, cache_nll={"0.0": 2.0, "0.1": 1.0}
    )
    yield from replies(zero, "k_shot", k=0, epoch=0, **options)
    for k, nats in ((1, at_one), (3, at_three)):
        yield from replies(zero, "k_shot", k=k, epoch=0, cache={"0.0": zero, "0.1": 2.5}, **options)
        yield from replies(nats, "k_shot", k=k, epoch=1, **options)
    yield from replies(3.5, "k_shot_swap", k=3, epoch=1, **options)
    yield from replies(2.25, "in_context", k=2, epoch=0, only=range(6))


def compared(meta, normal, margin=0.01):
    found = compare_at_k({"meta": list(meta), "normal": list(normal)}, [CLAIM], BOOTSTRAP, margin)
    return found.content()


META, NORMAL = (3.0, 2.0, 1.5), (2.5, 2.25, 1.505)


def test_a_claim_at_each_k_by_level_and_by_gain():
    """Ahead at K = 1, behind at K = 0, within the margin at K = 3, where its gain is larger."""
    found = compared(records(*META), records(*NORMAL))["claims"]
    rows = {(t["k"], t["metric"]): (t["difference"]["value"], t["answer"]) for t in found}
    assert rows == {
        (0, "nats_per_token"): (pytest.approx(0.5), "worse"),
        (1, "nats_per_token"): (pytest.approx(-0.25), "better"),
        (1, "gain"): (pytest.approx(0.75), "better"),
        (3, "nats_per_token"): (pytest.approx(-0.005), "equivalent"),
        (3, "gain"): (pytest.approx(0.505), "better"),
    }
    assert {t["question"] for t in found} == {CLAIM.question}
    without = compared(records(*META), records(*NORMAL), margin=None)["claims"]
    assert {t["equivalence"] for t in without} == {None}
    assert next(t for t in without if t["k"] == 3)["answer"] == "better"


def test_a_variant_against_its_controls():
    """Prompts are there for half of the persons; the others' record at K = 0 stands for them.

    They hold two dialogues: at K = 1 none is there.
    """
    found = compared(records(*META), records(*NORMAL))["controls"]
    rows = {(t["k"], t["b"]): t["difference"]["value"] for t in found if t["a"] == "meta"}
    assert rows == pytest.approx(
        {
            (1, "not adapted"): -1.0,
            (3, "not adapted"): -1.5,
            (3, "a stranger's"): -2.0,
            (3, "a cache"): 1.5 - 2.5,
            (3, "in the prompt"): 1.5 - (2.25 + 3.0) / 2,
        }
    )
    assert {t["answer"] for t in found if t["a"] == "meta"} == {"better"}


def test_prompts_say_how_many_dialogues_fit_and_are_tested_once():
    """At K = 4 no more fit than at 3; where all K fit, nothing is said."""
    more = [*replies(1.0, "k_shot", k=4, epoch=1), *replies(9.0, "in_context", k=1, epoch=0)]
    found = compared([*records(*META), *more], [*records(*NORMAL), *more])["controls"]
    prompts = {
        t["k"]: t.get("fitted") for t in found if (t["a"], t["b"]) == ("meta", "in the prompt")
    }
    assert prompts == {1: None, 3: 1.5}
    assert {t.get("fitted") for t in found if t["b"] != "in the prompt"} == {None}


def test_a_family_is_corrected_together():
    found = compared(records(*META), records(*NORMAL))
    for family in found.values():
        assert all(t["p"] <= t["p_holm"] <= 1 for t in family)
        smallest = min(t["p"] for t in family)
        assert min(t["p_holm"] for t in family) == pytest.approx(len(family) * smallest)


def test_seeds_decide_where_there_are_two():
    seeds = {"seeds": (0, 1, 2)}
    found = compared(records(*META, **seeds), records(*NORMAL, **seeds))["claims"]
    at_three = next(t for t in found if (t["k"], t["metric"]) == (3, "nats_per_token"))
    assert at_three["over_seeds"]["seeds"] == [0, 1, 2]
    assert at_three["over_seeds"]["difference"]["value"] == pytest.approx(-0.005)
    assert at_three["over_seeds"]["equivalence"]["equivalent"] is True
    assert at_three["answer"] == "equivalent"
    alone = compared(records(*META, **seeds), records(*NORMAL))["claims"]
    assert {t["over_seeds"] for t in alone} == {None}


def test_levels_say_equivalent_by_nats_alone():
    found = compare_levels(
        {"a": levels_variant(0.001), "b": levels_variant()},
        [Claim(a="a", b="b", question="?")],
        permutations=2000,
        seed=0,
        margin=0.01,
    ).content()
    answers = {t["metric"]: (t["answer"], t["equivalence"] is None) for t in found["tests"]}
    assert answers["nats_per_token"] == ("equivalent", False)
    assert answers["f1"] == ("not distinguishable", True)

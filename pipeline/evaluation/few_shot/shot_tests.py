"""A run's claims, answered by its likelihoods after K dialogues (`shots/VARIANT.json`). No torch.

A side of a test is a row after K dialogues: by gradient steps on them, with them in the prompt, or
with a cache of their tokens; and after a stranger's dialogues in the place of the person's.
Four families of tests, each with its own correction by Holm:

- claims: `compare.claims` of the run, at every K over 0; at K = 0 where a row has no other;
- claims_of_gains: of the same pairs, whether the first gains more by its K dialogues;
- gains: each side against the same row without dialogues;
- ways: gradient steps against the same dialogues in the prompt, and against a cache of them; the
  person's dialogues against a stranger's.

Of a prompt, K is how many dialogues were asked for; `short_prompts` says where fewer fit. Where no
more fit than at a smaller K there is no test.

With two training seeds or more the tests are over people and seeds. With one they are over people
alone: they speak of these trained parameters.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.comparison.equivalence import (
    equivalence_p,
    equivalence_p_over_seeds,
)
from pipeline.evaluation.comparison.paired import detectable, holm, sign_flip_p
from pipeline.evaluation.few_shot.short_prompts import short_prompts
from pipeline.evaluation.few_shot.shot_answers import (
    Family,
    PersonaText,
    Recovered,
    ShotTest,
    ShotTests,
    Side,
    SideLevel,
)
from pipeline.evaluation.few_shot.shot_contrasts import (
    Contrast,
    Rows,
    contrasts_of,
    nats_of,
    sides_of_row,
)
from pipeline.evaluation.few_shot.shots import NATS
from pipeline.evaluation.metrics.likelihood import ppl_per_word
from pipeline.evaluation.schemas.comparison import Answer, Equivalence
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.statistics.metric_sums import MetricSums
from pipeline.params import Claim


ALPHA = 0.05


def shot_tests(
    rows: Rows,
    claims: Sequence[Claim],
    *,
    margin: float | None,
    bootstrap: Bootstrap,
    text: tuple[str, str] | None = None,
) -> ShotTests:
    """Return levels and tests of all rows.

    Args:
        rows: of one run: the same people, seeds and queries.
        claims: pairs of rows; one about a row that is not there is left out.
        margin: of equivalence, nats per token; null: not tested.
        bootstrap: of the intervals over people; its samples are the sign flips, too.
        text: the rows of the base with the persona text in the prompt, and without.

    Raises:
        DataError: a row was not scored at a K that its pair needs.
    """
    first = next(iter(rows.values()))
    contrasts = contrasts_of(rows, claims)
    sides = [side for name, row in rows.items() for side in sides_of_row(name, row)]
    short = short_prompts(rows)
    told = {"short_prompts": short} if short else {}
    return ShotTests(
        personas=len(first.personas),
        seeds=first.seeds,
        margin=margin,
        tests=_tested(contrasts, margin, bootstrap),
        levels=[_level(rows, one, bootstrap) for one in sides],
        persona_text=None if text is None else _persona_text(rows, text, sides, bootstrap),
        **told,
    )


def _level(rows: Rows, side: Side, bootstrap: Bootstrap) -> SideLevel:
    nats = bootstrap.over_cells(nats_of(rows, side), NATS)
    by_word = rows[side.row].by_word.get(side.k)
    if by_word is None or side.way != "gradient":
        return SideLevel(side=side, nats=nats)
    cells = np.array(by_word)  # (p, q, 2)
    of_persons = cells.sum(axis=1)
    by_seed = cells if cells.shape[1] > 1 else None
    sums = MetricSums(ppl_per_word, of_persons.sum(axis=0), of_persons, by_seed)
    return SideLevel(side=side, nats=nats, ppl_per_word=bootstrap.pooled(sums))


def _tested(
    contrasts: Sequence[Contrast], margin: float | None, bootstrap: Bootstrap
) -> list[ShotTest]:
    """Return the tests, corrected within each family."""
    p_values = [_p(one, bootstrap) for one in contrasts]
    p_equal = [None if margin is None else _p_equal(one, margin, bootstrap) for one in contrasts]
    families = [one.family for one in contrasts]
    p_holm = _by_family(p_values, families)
    equal_holm = _by_family([1.0 if p is None else p for p in p_equal], families)
    return [
        _test(one, p, holm_p, _equivalence(margin, equal, equal_p), bootstrap)
        for one, p, holm_p, equal, equal_p in zip(
            contrasts, p_values, p_holm, p_equal, equal_holm, strict=True
        )
    ]


def _by_family(p_values: Sequence[float], families: Sequence[Family]) -> list[float]:
    adjusted = list(p_values)
    for family in dict.fromkeys(families):
        members = [place for place, own in enumerate(families) if own == family]
        for place, p in zip(members, holm([p_values[i] for i in members]), strict=True):
            adjusted[place] = p
    return adjusted


def _p(one: Contrast, bootstrap: Bootstrap) -> float:
    if one.variance is not None:
        return one.variance.p_value(float(one.cells.mean()))
    return sign_flip_p(one.by_person, permutations=bootstrap.samples, seed=bootstrap.seed)


def _p_equal(one: Contrast, margin: float, bootstrap: Bootstrap) -> float:
    if one.variance is not None:
        return equivalence_p_over_seeds(float(one.cells.mean()), margin, one.variance)
    draws, seed = bootstrap.samples, bootstrap.seed
    return equivalence_p(one.by_person, margin, permutations=draws, seed=seed)


def _equivalence(margin: float | None, p: float | None, p_holm: float) -> Equivalence | None:
    if margin is None or p is None:
        return None
    return Equivalence(margin=margin, p=p, p_holm=p_holm, equivalent=p_holm < ALPHA)


def _test(
    one: Contrast,
    p: float,
    p_holm: float,
    equivalence: Equivalence | None,
    bootstrap: Bootstrap,
) -> ShotTest:
    difference = bootstrap.over_cells(one.cells, NATS)
    said: Answer = "not distinguishable"
    if p_holm < ALPHA:
        said = "better" if difference.value < 0 else "worse"
    if equivalence is not None and equivalence.equivalent:
        said = "equivalent"
    return ShotTest(
        family=one.family,
        question=one.question,
        a=one.a,
        b=one.b,
        difference=difference,
        p=p,
        p_holm=p_holm,
        detectable=detectable(one.by_person, ALPHA, permutations=bootstrap.samples),
        equivalence=equivalence,
        answer=said,
    )


def _persona_text(
    rows: Rows, text: tuple[str, str], sides: Sequence[Side], bootstrap: Bootstrap
) -> PersonaText | None:
    with_text, without = text
    if not {with_text, without} <= rows.keys():
        return None
    worth = (rows[without].nats(0) - rows[with_text].nats(0)).mean(axis=1)
    return PersonaText(
        with_text=with_text,
        without=without,
        worth=bootstrap.mean_of(worth, "worth of the persona text"),
        recovered=[
            Recovered(side=side, share=bootstrap.ratio(np.stack([gain, worth], axis=1), "share"))
            for side in sides
            if side.k and side.row != with_text
            for start in [Side(row=side.row, k=0, way="gradient")]
            for gain in [(nats_of(rows, start) - nats_of(rows, side)).mean(axis=1)]
        ],
    )

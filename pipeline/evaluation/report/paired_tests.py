"""Paired tests as cells and in words: the claims' whatever they say, other pairs' if told apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import DataError, one_line
from pipeline.evaluation.report.cells import interval, number, p_value
from pipeline.evaluation.report.formats import FORMATS
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.comparison import (
    NOT_DISTINGUISHABLE,
    AdaptationTest,
    Comparison,
    Family,
    LevelTest,
    PairedTest,
)


HEADINGS = ("unit", "difference", "p", "p after Holm", "the first is")


def cells(test: PairedTest) -> list[str]:
    """Return the cells of HEADINGS.

    Raises:
        DataError: the test is by a metric that this version does not have.
    """
    if (shown := FORMATS.get(test.metric)) is None:
        raise DataError(
            f"the test of {one_line(test.a)} and {one_line(test.b)} is by "
            f"{one_line(test.metric)}, which is no metric of this version; run compare again"
        )
    numbers = (interval(test.difference, shown.digits), p_value(test.p), p_value(test.p_holm))
    return [shown.difference, *numbers, test.verdict]


def others(tests: Sequence[LevelTest], family: Family, alpha: float) -> tuple[str, list[LevelTest]]:
    """Say how many tests of pairs without a claim show a difference, and return those tests.

    Args:
        tests: all tests.
        family: of the pairs without a claim.
        alpha: of the family.
    """
    if not family.tests:
        return "", []
    if family.smallest_p_holm >= alpha:
        return (
            f"{family.tests} tests are of other pairs: so many that Holm's correction leaves "
            "nothing for these personas and permutations to tell apart (compare.permutations).",
            [],
        )
    apart = [t for t in tests if t.question is None and t.verdict != NOT_DISTINGUISHABLE]
    counts = f"Of {family.tests} tests of other pairs {len(apart)} tell them apart after Holm"
    return f"{counts}{':' if apart else '.'}", apart


@dataclass(frozen=True)
class Answer:
    """What one paired test answers, in words.

    Attributes:
        measure: what was compared.
        verdict: the test's own.
        words: the answer.
        numbers: the difference, its p-value; what could have been found where nothing was.
        over_seeds: answer and numbers over other training seeds; null without several seeds.
    """

    measure: str
    verdict: str
    words: str
    numbers: str
    over_seeds: str | None


@dataclass(frozen=True)
class Claim:
    """A question that was asked in advance, and its answers by every measure."""

    question: str
    a: str
    b: str
    answers: Sequence[Answer]


def claims(comparison: Comparison) -> list[Claim]:
    """Return every question that was asked, in the questions' order, whatever the answers are."""
    asked: dict[tuple[str, str, str], list[Answer]] = {}
    tests: list[LevelTest | AdaptationTest] = [*comparison.tests, *comparison.adaptation.tests]
    for test in tests:
        if test.question is not None:
            asked.setdefault((test.question, test.a, test.b), []).append(answer(test))
    return [Claim(*key, answers) for key, answers in asked.items()]


def answer(test: LevelTest | AdaptationTest) -> Answer:
    """Return a test's answer in words."""
    crossed = None
    if isinstance(test, LevelTest) and (seeds := test.over_seeds) is not None:
        numbers = _numbers(test, seeds.difference, seeds.p_holm)
        words = _words(test, seeds.verdict)
        crossed = f"Over {len(seeds.seeds)} training seeds, too: {words}; {numbers}."
    numbers = f"{_numbers(test, test.difference, test.p_holm)}."
    if test.verdict == NOT_DISTINGUISHABLE:
        numbers += _detectable(test)
    measure = FORMATS[test.metric].difference
    return Answer(measure, test.verdict, _words(test, test.verdict), numbers, crossed)


def _words(test: PairedTest, verdict: str) -> str:
    if verdict == NOT_DISTINGUISHABLE:
        return "no difference found"
    adapted = isinstance(test, AdaptationTest)
    return f"{test.a} has the {verdict} one" if adapted else f"{test.a} is {verdict}"


def _numbers(test: PairedTest, difference: Estimate, p_holm: float) -> str:
    p = p_value(p_holm)
    how_sure = f"p {p if p.startswith('<') else f'= {p}'} after Holm"
    shown = interval(difference, FORMATS[test.metric].digits)
    return f"{test.a} minus {test.b} is {shown}, {how_sure}"


def _detectable(test: LevelTest | AdaptationTest) -> str:
    """Say how large a difference these people would show, where that can be said."""
    size = test.detectable.uncorrected if isinstance(test, LevelTest) else test.detectable
    if size is None:
        return ""
    shown = number(size, FORMATS[test.metric].digits)
    return f" {test.personas} people show a difference of {shown} in 80 % of cases."

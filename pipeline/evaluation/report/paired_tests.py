"""The report's tables of paired tests, as Markdown. No torch."""

from collections.abc import Sequence

from pipeline.evaluation.report.cells import interval, p_value
from pipeline.evaluation.report.formats import FORMATS
from pipeline.evaluation.report.markdown import code, table
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.comparison import (
    NOT_DISTINGUISHABLE,
    Family,
    LevelTest,
    PairedTest,
)


HEADINGS = ("first – second", "unit", "difference", "p", "p after Holm", "the first is")


def claims(tests: Sequence[PairedTest]) -> str:
    """Return the tests that the claims ask for, whatever they say, in the claims' order."""
    rows = [[test.question, *test_cells(test)] for test in tests if test.question is not None]
    return table(["question", *HEADINGS], rows)


def distinguishable(tests: Sequence[LevelTest], family: Family, alpha: float) -> list[str]:
    """Return how many tests of pairs without a claim show a difference, and a table of those tests.

    Args:
        tests: all tests.
        family: of the pairs without a claim.
        alpha: of the family.
    """
    if not family.tests:
        return []
    if family.smallest_p_holm >= alpha:
        return [
            f"{family.tests} tests are of other pairs: so many that Holm's correction leaves "
            "nothing for these personas and permutations to tell apart (`compare.permutations`)."
        ]
    apart = [t for t in tests if t.question is None and t.verdict != NOT_DISTINGUISHABLE]
    counts = f"Of {family.tests} tests of other pairs {len(apart)} tell them apart after Holm"
    return [f"{counts}:" if apart else f"{counts}.", table(HEADINGS, map(test_cells, apart))]


def test_cells(test: PairedTest) -> list[str]:
    """Return the cells of HEADINGS."""
    return [
        *_pair_and_difference(test, test.difference),
        p_value(test.p),
        p_value(test.p_holm),
        test.verdict,
    ]


def over_seeds(tests: Sequence[LevelTest]) -> str:
    """Return the claims' tests that cover other training seeds; an empty text without any."""
    rows = [
        [
            *_pair_and_difference(test, test.over_seeds.difference),
            p_value(test.over_seeds.p_holm),
            test.over_seeds.verdict,
        ]
        for test in tests
        if test.question is not None and test.over_seeds is not None
    ]
    return table(["first – second", "unit", "difference", "p after Holm", "the first is"], rows)


def _pair_and_difference(test: PairedTest, difference: Estimate) -> list[str]:
    shown = FORMATS[test.metric]
    pair = f"{code(test.a)} – {code(test.b)}"
    return [pair, shown.difference, interval(difference, shown.digits)]

"""Tables and quotes of a study whose claims are answered by shots. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.few_shot.kept_sums import refuse_other_sums
from pipeline.evaluation.few_shot.shot_answers import (
    Family,
    PersonaText,
    ShotTests,
    Side,
    SideLevel,
)
from pipeline.evaluation.few_shot.shots import IN_WORDS, Way
from pipeline.evaluation.kept.study import Study
from pipeline.evaluation.report.cells import NONE, interval, number, p_value
from pipeline.evaluation.report.formats import NATS_DIGITS, digits_of
from pipeline.evaluation.report.markdown import code, table
from pipeline.evaluation.schemas.base import Estimate, read


FILE = "shot_tests.json"
HEADINGS: dict[Family, str] = {
    "claims": "## Questions",
    "claims_of_gains": "## Does the first gain more by its dialogues?",
    "gains": "## What dialogues bring",
    "ways": "## Gradient steps or the prompt, own or a stranger's",
}
ASKED: tuple[Family, ...] = ("claims", "claims_of_gains")  # by the run's `compare.claims`


def tests_of(study: Study) -> ShotTests | None:
    """Return the study's tests; null where it has none of this kind.

    Raises:
        DataError: the file is damaged, or made from other sums than are kept.
    """
    path = study.file(FILE)
    if not path.is_file():
        return None
    found = read(path, ShotTests, made_by="shot_tests")
    refuse_other_sums(found.shots, path, f"shot_tests --study {study.folder}")
    return found


def sections(study: Study) -> dict[str, list[str]]:
    """Return the tables by heading; none where the study has no such tests."""
    found = tests_of(study)
    if found is None:
        return {}
    tables = {heading: [_tests(found, family)] for family, heading in HEADINGS.items()}
    return {
        "## Nats per token": [_levels(found), _how(found)],
        **_words(found),
        **{heading: parts for heading, parts in tables.items() if any(parts)},
        "## The persona text": _text(found.persona_text),
    }


def shown(estimate: Estimate, digits: int = NATS_DIGITS) -> str:
    """Return the number with its interval: over people and seeds where there are seeds."""
    return interval(estimate, digits, crossed=estimate.crossed_low is not None)


def side(one: Side) -> str:
    """Return a side as a cell."""
    return f"{code(one.row)}, K = {one.k}" + IN_WORDS[one.way]


@dataclass(frozen=True)
class ShotQuote:
    """What a document's template may ask of a study's shots, as text."""

    found: ShotTests

    def claim(self, a: str, b: str, k: int) -> str:
        """Return a claim's answer after K dialogues: difference, p-value and answer."""
        return self._test("claims", Side(row=a, k=k, way="gradient"), b)

    def more_gained(self, a: str, b: str, k: int) -> str:
        """Return whether K dialogues bring the first row more than the second."""
        return self._test("claims_of_gains", Side(row=a, k=k, way="gradient"), b)

    def gain(self, row: str, k: int, way: Way = "gradient") -> str:
        """Return what K dialogues change: difference from K = 0, p-value and answer."""
        return self._test("gains", Side(row=row, k=k, way=way), row)

    def ways(self, row: str, k: int, first: Way, second: Way) -> str:
        """Return one way of using K dialogues against another."""
        return self._test("ways", Side(row=row, k=k, way=first), row, second)

    def nats(self, row: str, k: int, way: Way = "gradient") -> str:
        """Return nats per token."""
        return shown(self._level(row, k, way).nats)

    def per_word(self, row: str, k: int) -> str:
        """Return the perplexity per word."""
        estimate = self._level(row, k, "gradient").ppl_per_word
        if estimate is None:
            raise ValueError(f"{row}, K = {k}: its words were not counted")
        return shown(estimate, digits_of("ppl_per_word"))

    def share(self, row: str, k: int, way: Way = "gradient") -> str:
        """Return the share of the persona text's worth that K dialogues bring."""
        recovered = self.found.persona_text.recovered if self.found.persona_text else []
        asked = Side(row=row, k=k, way=way)
        (share,) = (one.share for one in recovered if one.side == asked)
        return shown(share, 2)

    def table(self, rows: Sequence[str]) -> str:
        """Return the rows' nats per token at every K, by gradient steps or without dialogues."""
        levels = [one for one in self.found.levels if one.side.way == "gradient"]
        by_row = {row: [one for one in levels if one.side.row == row] for row in rows}
        return _by_k([(one.side, shown(one.nats)) for own in by_row.values() for one in own])

    def _level(self, row: str, k: int, way: Way) -> SideLevel:
        asked = Side(row=row, k=k, way=way)
        for one in self.found.levels:
            if one.side == asked:
                return one
        raise ValueError(f"{side(asked)}: not scored")

    def _test(self, family: Family, a: Side, other: str, way: Way | None = None) -> str:
        for test in self.found.tests:
            if (test.family, test.a, test.b.row) != (family, a, other):
                continue
            if way is None or test.b.way == way:
                p = p_value(test.p_holm)
                words = f"p {p}" if p.startswith("<") else f"p = {p}"
                return f"{shown(test.difference)}, {words}: {test.answer}"
        raise ValueError(f"{side(a)} and {other} were not tested")


def _how(found: ShotTests) -> str:
    seeds = f"{len(found.seeds)} training seeds" if len(found.seeds) > 1 else "one training seed"
    margin = "" if found.margin is None else f" *Equivalent* is within {found.margin:g} nats."
    return (
        f"Brackets are 95 % intervals over {found.personas} test people, {seeds}. Differences are "
        "first minus second, in nats per token: below 0 the first is better. Holm's correction is "
        f"within each table.{margin}"
    )


def _levels(found: ShotTests) -> str:
    return _by_k([(one.side, shown(one.nats)) for one in found.levels])


def _words(found: ShotTests) -> dict[str, list[str]]:
    """Return the perplexities per word, where the words were counted."""
    counted = [
        (one.side, shown(one.ppl_per_word, digits_of("ppl_per_word")))
        for one in found.levels
        if one.ppl_per_word is not None
    ]
    return {"## Perplexity per word": [_by_k(counted)]} if counted else {}


def _by_k(cells: Sequence[tuple[Side, str]]) -> str:
    """Return a table of sides: rows and ways down, K across."""
    shots = sorted({one.k for one, _ in cells})
    kinds = dict.fromkeys((one.row, one.way) for one, _ in cells)
    values = {(one.row, one.way, one.k): text for one, text in cells}
    rows = [
        [code(row) + IN_WORDS[way], *(values.get((row, way, k), NONE) for k in shots)]
        for row, way in kinds
    ]
    return table(["row", *(f"K = {k}" for k in shots)], rows)


def _tests(found: ShotTests, family: Family) -> str:
    rows = [
        [
            *([test.question or NONE] if family in ASKED else []),
            side(test.a),
            side(test.b),
            shown(test.difference),
            p_value(test.p_holm),
            number(test.detectable, NATS_DIGITS),
            test.answer,
        ]
        for test in found.tests
        if test.family == family
    ]
    headings = ["first", "second", "difference", "p Holm", "smallest visible", "the first is"]
    asked = ["question"] if family in ASKED else []
    return table([*asked, *headings], rows) if rows else ""


def _text(text: PersonaText | None) -> list[str]:
    if text is None:
        return []
    worth = (
        f"To the base the persona text in the prompt is worth {shown(text.worth)} nats per token "
        f"({code(text.with_text)} against {code(text.without)}, K = 0). Dialogues bring this share "
        "of it:"
    )
    rows = [[side(one.side), shown(one.share, 2)] for one in text.recovered]
    return [worth, table(["after", "share of the text's worth"], rows)]

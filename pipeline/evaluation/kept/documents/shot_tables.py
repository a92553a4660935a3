"""Tables and quotes of a study whose claims are answered by shots. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.few_shot.kept_sums import kept_rows, refuse_other_sums
from pipeline.evaluation.few_shot.short_prompts import Fit, refuse_silent, short_prompts
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
    again = f"shot_tests --study {study.folder}"
    refuse_other_sums(found.shots, path, again)
    shown_rows = {one.side.row for one in found.levels}
    for sums in kept_rows(study.folder).values():
        rows = {name: row for name, row in sums.items() if name in shown_rows}
        refuse_silent(found.short_prompts, short_prompts(rows), path, again)
    return found


def sections(study: Study) -> dict[str, list[str]]:
    """Return the tables by heading; none where the study has no such tests."""
    found = tests_of(study)
    if found is None:
        return {}
    tables = {heading: [_tests(found, family)] for family, heading in HEADINGS.items()}
    return {
        "## Nats per token": [_levels(found), _how(found), *Fit(found.short_prompts).notes("`{}`")],
        **_words(found),
        **{heading: parts for heading, parts in tables.items() if any(parts)},
        "## The persona text": _text(found.persona_text, Fit(found.short_prompts)),
    }


def shown(estimate: Estimate, digits: int = NATS_DIGITS) -> str:
    """Return the number with its interval: over people and seeds where there are seeds."""
    return interval(estimate, digits, crossed=estimate.crossed_low is not None)


def side(one: Side, fit: Fit) -> str:
    """Return a side as a cell, with how many dialogues fit where they are fewer than K."""
    fitting = fit.words(one.row, one.k, one.way)
    return f"{code(one.row)}, K = {one.k}{IN_WORDS[one.way]}{fitting}"


@dataclass(frozen=True)
class ShotQuote:
    """What a document's template may ask of a study's shots, as text."""

    found: ShotTests

    @property
    def _fit(self) -> Fit:
        return Fit(self.found.short_prompts)

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
        return shown(self._level(row, k, way).nats) + self._fit.words(row, k, way)

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
        return shown(share, 2) + self._fit.words(row, k, way)

    def table(self, rows: Sequence[str]) -> str:
        """Return the rows' nats per token at every K, by gradient steps or without dialogues."""
        levels = [one for one in self.found.levels if one.side.way == "gradient"]
        own = [one for row in rows for one in levels if one.side.row == row]
        return _by_k([(one.side, shown(one.nats)) for one in own], self._fit)

    def _level(self, row: str, k: int, way: Way) -> SideLevel:
        asked = Side(row=row, k=k, way=way)
        for one in self.found.levels:
            if one.side == asked:
                return one
        raise ValueError(f"{side(asked, self._fit)}: not scored")

    def _test(self, family: Family, a: Side, other: str, way: Way | None = None) -> str:
        for test in self.found.tests:
            if (test.family, test.a, test.b.row) != (family, a, other):
                continue
            if way is None or test.b.way == way:
                p = p_value(test.p_holm)
                words = f"p {p}" if p.startswith("<") else f"p = {p}"
                fitting = (self._fit.words(one.row, one.k, one.way) for one in (test.a, test.b))
                return f"{shown(test.difference)}, {words}: {test.answer}" + "".join(fitting)
        raise ValueError(f"{side(a, self._fit)} and {other} were not tested")


def _how(found: ShotTests) -> str:
    seeds = f"{len(found.seeds)} training seeds" if len(found.seeds) > 1 else "one training seed"
    margin = "" if found.margin is None else f" *Equivalent* is within {found.margin:g} nats."
    return (
        f"Brackets are 95 % intervals over {found.personas} test people, {seeds}. Differences are "
        "first minus second, in nats per token: below 0 the first is better. Holm's correction is "
        f"within each table.{margin}"
    )


def _levels(found: ShotTests) -> str:
    fit = Fit(found.short_prompts)
    return _by_k([(one.side, shown(one.nats)) for one in found.levels], fit)


def _words(found: ShotTests) -> dict[str, list[str]]:
    """Return the perplexities per word, where the words were counted."""
    counted = [
        (one.side, shown(one.ppl_per_word, digits_of("ppl_per_word")))
        for one in found.levels
        if one.ppl_per_word is not None
    ]
    return {"## Perplexity per word": [_by_k(counted, Fit(None))]} if counted else {}


def _by_k(cells: Sequence[tuple[Side, str]], fit: Fit) -> str:
    """Return a table of sides: rows and ways down, K across."""
    shots = sorted({one.k for one, _ in cells})
    kinds = dict.fromkeys((one.row, one.way) for one, _ in cells)
    values = {
        (one.row, one.way, one.k): text + fit.words(one.row, one.k, one.way) for one, text in cells
    }
    rows = [
        [code(row) + IN_WORDS[way], *(values.get((row, way, k), NONE) for k in shots)]
        for row, way in kinds
    ]
    return table(["row", *(f"K = {k}" for k in shots)], rows)


def _tests(found: ShotTests, family: Family) -> str:
    fit = Fit(found.short_prompts)
    rows = [
        [
            *([test.question or NONE] if family in ASKED else []),
            side(test.a, fit),
            side(test.b, fit),
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


def _text(text: PersonaText | None, fit: Fit) -> list[str]:
    if text is None:
        return []
    worth = (
        f"To the base the persona text in the prompt is worth {shown(text.worth)} nats per token "
        f"({code(text.with_text)} against {code(text.without)}, K = 0). Dialogues bring this share "
        "of it:"
    )
    rows = [[side(one.side, fit), shown(one.share, 2)] for one in text.recovered]
    return [worth, table(["after", "share of the text's worth"], rows)]

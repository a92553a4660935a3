"""The tables of a study that has a curve: study `conflict`. No torch."""

from collections.abc import Sequence

from pipeline.evaluation.few_shot.kept_sums import kept_rows, refuse_other_sums
from pipeline.evaluation.few_shot.rates_file import used_rates
from pipeline.evaluation.few_shot.short_prompts import Fit, refuse_silent, short_prompts
from pipeline.evaluation.few_shot.shots import IN_WORDS
from pipeline.evaluation.kept.study import Study
from pipeline.evaluation.report.cells import NONE, interval, number, p_value
from pipeline.evaluation.report.formats import NATS_DIGITS
from pipeline.evaluation.report.markdown import code, table
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.studies.conflict import Curve


FILE = "curve.json"


def of(study: Study) -> Curve | None:
    """Return the study's curve; null where it has none.

    Raises:
        DataError: the file is damaged, or made from other sums than are kept.
    """
    path = study.file(FILE)
    if not path.is_file():
        return None
    found = read(path, Curve, made_by="conflict")
    again = f"conflict --study {study.folder}"
    refuse_other_sums(found.shots, path, again)
    shown = {(one.conflict, one.row) for one in found.levels}
    for folder, sums in kept_rows(study.folder).items():
        rows = {name: row for name, row in sums.items() if (float(folder), name) in shown}
        refuse_silent(found.short_prompts, short_prompts(rows, float(folder)), path, again)
    return found


def sections(study: Study) -> dict[str, list[str]]:
    """Return the curve's tables by heading; none where the study has no curve."""
    found = of(study)
    if found is None:
        return {}
    return {
        "## Gain of meta-learning": [_gains(found), _how(found), *_pictures(study)],
        "## Nats per token": [_levels(found), *Fit(found.short_prompts).notes("`{}`")],
        "## What was chosen on valid": _chosen(study),
    }


def _gains(found: Curve) -> str:
    headings = [
        "conflict",
        "K",
        "meta-learning",
        "normal training",
        "gain",
        "p",
        "p Holm",
        "verdict",
    ]
    rows = [
        [
            f"{one.conflict:g}",
            f"{one.k}",
            code(one.meta),
            code(one.normal),
            interval(one.gain, NATS_DIGITS, crossed=True),
            *(NONE if p is None else p_value(p) for p in (one.p, one.p_holm)),
            one.verdict or NONE,
        ]
        for one in found.gains
    ]
    return table(headings, rows)


def _how(found: Curve) -> str:
    return (
        "Nats per token that normal training is above meta-learning; brackets are 95 % intervals "
        f"over {found.personas} test people and {len(found.seeds)} training seeds. Holm's "
        f"correction is over the {found.tests} tests with K > 0."
    )


def _pictures(study: Study) -> Sequence[str]:
    return [f"![Gain against the dial]({path.name})" for path in sorted(study.folder.glob("*.svg"))]


def _levels(found: Curve) -> str:
    shots = sorted({one.k for one in found.levels})
    kinds = list(dict.fromkeys((one.conflict, one.row, one.way) for one in found.levels))
    fit = Fit(found.short_prompts)
    values = {
        (one.conflict, one.row, one.way, one.k): number(one.nats.value, NATS_DIGITS)
        + fit.words(one.row, one.k, one.way, one.conflict)
        for one in found.levels
    }
    rows = [
        [
            f"{conflict:g}",
            code(row) + IN_WORDS[way],
            *(values.get((conflict, row, way, k), NONE) for k in shots),
        ]
        for conflict, row, way in kinds
    ]
    return table(["conflict", "row", *(f"K = {k}" for k in shots)], rows)


def _chosen(study: Study) -> list[str]:
    """Return how shots with trials on valid were fine-tuned, and which trials choose otherwise."""
    found = used_rates(study.folder)
    rows = [
        [
            one.run,
            code(one.name),
            f"{one.k}",
            one.used.optimizer,
            f"{one.used.lr}",
            f"{one.used.epochs:g}",
            number(one.valid_nats, NATS_DIGITS),
        ]
        for one in found
        if one.used is not None and one.chosen is not None
    ]
    headings = ["conflict", "row", "K", "optimizer", "rate", "epochs", "nats on valid"]
    return [table(headings, rows), *(f"{one.note}." for one in found if one.note)]

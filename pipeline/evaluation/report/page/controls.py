"""The persona text's worth, and the share of it that dialogues recover. No torch.

Empty where the control was not run, or where a file is older than it.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.evaluation.report.cells import NONE, interval
from pipeline.evaluation.report.formats import NATS_DIGITS
from pipeline.evaluation.report.rows import in_order, titles
from pipeline.evaluation.report.table import Row, Table
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.details import Details


SHARE_DIGITS = 2


def text_worth(details: Mapping[str, Details]) -> Table:
    """Return what the persona text in the prompt is worth, and how much of it dialogues recover."""
    headings = ("variant", "own text over none", "after fine-tuning", "own text over a stranger's")
    rows = []
    for name in in_order(details):
        if (texts := details[name].texts) is None:
            continue
        cells = [*_worth(texts.worth), *_worth(texts.stranger)]
        rows.append(_row(name, [*cells, texts.read or NONE, *_recovered(texts.recovered)]))
    more = ("after fine-tuning", "the text is", "worth that is missing without", "recovered share")
    return Table([*headings, *more], rows)


def _worth(worth: Any) -> list[str]:
    return [NONE, NONE] if worth is None else [_nats(worth.before), _nats(worth.after)]


def _recovered(recovered: Any) -> list[str]:
    if recovered is None:
        return [NONE, NONE]
    return [_nats(recovered.worth), interval(recovered.share, SHARE_DIGITS)]


def recovered_by_k(details: Mapping[str, Details]) -> Table:
    """Return the share of the text's worth that K dialogues recover, a row for each K."""
    rows = [
        _row(name, [f"{k}", *_recovered(one)])
        for name in in_order(details)
        for k, one in sorted((details[name].k_shot.recovered or {}).items())
    ]
    return Table(["variant", "K", "worth of the text, nats per token", "recovered share"], rows)


def _row(name: str, cells: list[str]) -> Row:
    return Row(name, cells, title=titles().get(name))


def _nats(estimate: Estimate | None) -> str:
    return interval(estimate, NATS_DIGITS)

"""What each variant's training cost, beside its scores: counted, not timed. No torch.

All numbers are those of `variant.json`, which the training stages write; docs/paper.md says how
they are counted. Fine-tuning at test is the same for every variant and not in them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pydantic import ValidationError

from pipeline.errors import DataError
from pipeline.evaluation.table import titles
from pipeline.model.variant_file import VariantFile


@dataclass(frozen=True)
class CostRow:
    """One variant: means over its training runs, one per seed; tensors' sizes are the same."""

    title: str
    steps: float  # of the optimiser that moves θ
    best_step: float  # the step that was kept
    outer_replies: float  # in the loss that moved θ
    replies: float  # in any loss, inner or outer
    tokens: float  # through the network, forward
    operations: float  # multiply-adds × 2
    trained_parameters: int
    all_parameters: int


def parse_run(content: object, origin: object) -> VariantFile:
    """Return one training run's record.

    Raises:
        DataError: it is not what a training stage writes.
    """
    try:
        return VariantFile.model_validate(content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise DataError(f"{origin}: {where}: not a variant.json of this version") from error


def cost_rows(runs: Mapping[str, Sequence[VariantFile]]) -> list[CostRow]:
    """Return a row for each variant that has runs, in Table 1's order."""
    known = titles()
    ordered = [*(name for name in known if name in runs), *(n for n in runs if n not in known)]
    return [_row(known.get(name, name), runs[name]) for name in ordered if runs[name]]


def _row(title: str, runs: Sequence[VariantFile]) -> CostRow:
    return CostRow(
        title,
        steps=fmean(run.steps for run in runs),
        best_step=fmean(run.best_step for run in runs),
        outer_replies=fmean(run.outer_replies for run in runs),
        replies=fmean(run.replies for run in runs),
        tokens=fmean(run.tokens for run in runs),
        operations=fmean(run.operations for run in runs),
        trained_parameters=runs[0].trained_parameters,
        all_parameters=runs[0].all_parameters,
    )


def compact(number: float) -> str:
    """Return a count with three digits and the decimal prefix k, M, G, T, P or E.

    Below a thousand it is rounded to a whole number.
    """
    prefixes = ("", "k", "M", "G", "T", "P", "E")
    power = 0
    while float(f"{number:.3g}") >= 1000 and power < len(prefixes) - 1:
        number, power = number / 1000, power + 1
    if power == 0:
        return f"{number:.0f}"
    digits = max(0, 3 - len(str(int(float(f"{number:.3g}")))))
    return f"{number:.{digits}f} {prefixes[power]}"

"""What each variant's training cost, beside its scores: counted, not timed. No torch.

All numbers are those of `variant.json`, which the training stages write; docs/paper.md says how
they are counted. Fine-tuning at test is the same for every variant and not in them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.evaluation.report.rows import in_order, titles
from pipeline.model.variant.record import VariantFile


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


def cost_rows(runs: Mapping[str, Sequence[VariantFile]]) -> list[CostRow]:
    """Return a row for each variant that has runs, in Table 1's order."""
    known = titles()
    return [cost_row(runs[name], known.get(name, name)) for name in in_order(runs) if runs[name]]


def cost_row(runs: Sequence[VariantFile], title: str = "") -> CostRow:
    """Return the means over a variant's runs, of which there is at least one."""
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

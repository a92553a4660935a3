"""What each variant's training cost: counted, not timed. No torch.

The training stages write the counts to `variant.json`; docs/paper.md says how they count. They do
not count fine-tuning at test, which is the same for every variant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.evaluation.report.rows import in_order, titles
from pipeline.model.files.variant_record import TrainingRun


@dataclass(frozen=True)
class CostRow:
    """A variant's means over its training runs, one run per seed."""

    title: str
    steps: float  # of the optimiser that moves θ
    best_step: float  # the step that was kept
    outer_replies: float  # in the loss that moved θ
    replies: float  # in any loss, inner or outer
    tokens: float  # that pass forward through the network
    operations: float  # multiply-adds × 2
    trained_parameters: int
    all_parameters: int


def cost_rows(runs: Mapping[str, Sequence[TrainingRun]]) -> list[CostRow]:
    """Return a row for each variant that has runs, in Table 1's order."""
    known = titles()
    return [cost_row(runs[name], known.get(name, name)) for name in in_order(runs) if runs[name]]


def cost_row(runs: Sequence[TrainingRun], title: str = "") -> CostRow:
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

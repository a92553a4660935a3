"""The page's samples: a context with its persona, and every variant's replies in it. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.report.rows import in_order
from pipeline.evaluation.report.samples.sampled import Shown
from pipeline.evaluation.report.samples.samples import APPENDIX_C, Context
from pipeline.evaluation.report.samples.strangers import visible


@dataclass(frozen=True)
class Said:
    """What a variant says before fine-tuning and after it; null where it was not asked."""

    variant: str
    epoch: int
    before: tuple[str, str] | None  # the nucleus sample and the greedy response
    after: tuple[str, str]


@dataclass(frozen=True)
class Sample:
    """A context and all that is said in it."""

    where: str
    persona: Sequence[str]
    history: Sequence[tuple[str, str]]  # who, and what
    reply: str
    said: Sequence[Said]


def samples(shown: Shown) -> list[Sample]:
    """Return every context with what the variants say there, in Table 1's order."""
    return [_sample(context, shown) for context in shown.contexts]


def _sample(context: Context, shown: Shown) -> Sample:
    dialogue, turn = context.place
    mark = " (the paper's own)" if context.digest in APPENDIX_C else ""
    said = []
    for name in in_order(shown.responses):
        *before, after = shown.responses[name][context.place]
        first = (visible(before[0].sampled), visible(before[0].greedy)) if before else None
        said.append(Said(name, after.epoch, first, (visible(after.sampled), visible(after.greedy))))
    return Sample(
        visible(f"{dialogue}, turn {turn}{mark}"),
        [visible(sentence) for sentence in context.persona],
        [(_WHO[speaker], visible(text)) for speaker, text in context.history],
        visible(context.reply),
        said,
    )


_WHO = {"USER": "partner", "SYSTEM": "person"}

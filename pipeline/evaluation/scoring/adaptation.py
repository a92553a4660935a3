"""What fine-tuning on a persona's dialogues gives, and how much of it a stranger's give too.

All numbers are in nats per token, closing token counted, on the same held-out replies: first per
persona over its replies of all seeds, then the mean over personas. A gain alone cannot show
personal adaptation: meta-training may leave to the inner step what every persona needs.

- gain: NLL before (epoch 0) minus NLL after the persona's own support.
- swap gain: NLL before minus NLL after a stranger's support.
- swap gap: NLL after a stranger's support minus NLL after its own; the personal part of the gain.
- personal share: swap gap / gain, of the means; only where the gain's interval lies above 0.
- adaptation: the verdict on them (`verdict.py`).
"""

from collections.abc import Iterable, Mapping

from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.overview import Overview
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.details import Adaptation, BeforeAndAfter
from pipeline.evaluation.scoring.differences import SharedReplies, share
from pipeline.evaluation.scoring.person import Person, people_of
from pipeline.evaluation.scoring.verdict import verdict
from pipeline.evaluation.statistics.bootstrap import Bootstrap


NOT_ADAPTED = Adaptation(
    adaptation="none",
    gain=Estimate(value=0.0, low=0.0, high=0.0),
    swap_gain=None,
    swap_gap=None,
    personal_share=None,
)
"""At epoch 0 nothing is fine-tuned, so the gain is 0 by definition."""


def adaptation_by_epoch(
    records: Iterable[Prediction], bootstrap: Bootstrap
) -> Mapping[int, Adaptation]:
    """Return what fine-tuning gives on test, at every epoch after 0.

    The swap fields are null where no stranger's support was run.
    """
    records = list(records)
    sums = AdaptationSums(Overview.of(records))
    for person in people_of(records):
        sums.add(person)
    return sums.by_epoch(bootstrap)


class AdaptationSums:
    """What `adaptation_by_epoch` needs; persons come one at a time."""

    def __init__(self, overview: Overview) -> None:
        epochs = [epoch for epoch in overview.epochs("leave_one_out") if epoch > 0]
        self._own = {
            epoch: SharedReplies((nats_per_token,) * 2, overview.seeds) for epoch in epochs
        }
        self._swap = {
            epoch: SharedReplies((nats_per_token,) * 3, overview.seeds) for epoch in epochs
        }

    def add(self, person: Person) -> None:
        """Add a person."""
        before = person.select("leave_one_out", epoch=0)
        for epoch, own in self._own.items():
            after = person.select("leave_one_out", epoch=epoch)
            own.add(person, before, after)
            self._swap[epoch].add(person, before, after, person.select("swap", epoch=epoch))

    def by_epoch(self, bootstrap: Bootstrap) -> Mapping[int, Adaptation]:
        """Return what `adaptation_by_epoch` does."""
        return {
            epoch: _at_epoch(own, self._swap[epoch], bootstrap) for epoch, own in self._own.items()
        }


def _at_epoch(own: SharedReplies, swap: SharedReplies, bootstrap: Bootstrap) -> Adaptation:
    nll_before, nll_after = own.values()
    gain = own.fall("gain", 0, 1, bootstrap)
    nats = BeforeAndAfter(
        before=bootstrap.mean_of(nll_before, "NLL before adaptation"),
        after=bootstrap.mean_of(nll_after, "NLL after adaptation"),
    )
    if swap.names:
        return _swap_control(swap, gain, nats, bootstrap)
    return Adaptation(
        adaptation=verdict(gain, None, None),
        gain=gain,
        swap_gain=None,
        swap_gap=None,
        personal_share=None,
        nats_per_token=nats,
    )


def _swap_control(
    swap: SharedReplies, gain: Estimate, nats: BeforeAndAfter, bootstrap: Bootstrap
) -> Adaptation:
    """Compare before, after own and after a stranger's support, on the same replies.

    `gain` and `nats` are of all replies; the verdict takes the gain on replies that have a swap.
    """
    before, after, swapped = range(3)
    start, own, stranger = swap.values()
    gap = swap.fall("swap_gap", swapped, after, bootstrap)
    part = share(stranger - own, start - own, "personal_share", bootstrap)
    return Adaptation(
        adaptation=verdict(bootstrap.mean_of(start - own, "gain"), gap, part),
        gain=gain,
        swap_gain=swap.fall("swap_gain", before, swapped, bootstrap),
        swap_gap=gap,
        personal_share=part,
        nats_per_token=nats,
    )

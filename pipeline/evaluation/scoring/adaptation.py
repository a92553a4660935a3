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

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.evaluation.records.headline import epochs_of, select
from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.details import Adaptation, BeforeAndAfter
from pipeline.evaluation.scoring.verdict import verdict
from pipeline.evaluation.statistics.bootstrap import LEVEL, Bootstrap
from pipeline.evaluation.statistics.persona_values import Values, common, minus, per_persona
from pipeline.evaluation.statistics.seeds import crossed_difference


NOT_ADAPTED = Adaptation(
    adaptation="none",
    gain=Estimate(value=0.0, low=0.0, high=0.0),
    swap_gain=None,
    swap_gap=None,
    personal_share=None,
)
"""At epoch 0 nothing is fine-tuned, so the gain is 0 by definition."""


def adaptation_by_epoch(
    records: Sequence[Prediction], bootstrap: Bootstrap
) -> Mapping[int, Adaptation]:
    """Return what fine-tuning gives on test, at every epoch after 0.

    The swap fields are null where no stranger's support was run.
    """
    own, swap = (select(records, "test", protocol) for protocol in ("leave_one_out", "swap"))
    return {
        epoch: _at_epoch(_at(own, 0), _at(own, epoch), _at(swap, epoch), bootstrap)
        for epoch in epochs_of(own)
        if epoch > 0
    }


def _at(records: Sequence[Prediction], epoch: int) -> list[Prediction]:
    return [record for record in records if record.epoch == epoch]


def _at_epoch(
    before: Sequence[Prediction],
    after: Sequence[Prediction],
    swapped: Sequence[Prediction],
    bootstrap: Bootstrap,
) -> Adaptation:
    settings = common(before, after)
    nll_before, nll_after = (per_persona(nats_per_token, setting) for setting in settings)
    gain = _fall("gain", settings, bootstrap)
    nats = BeforeAndAfter(
        before=bootstrap.mean(nll_before, "NLL before adaptation"),
        after=bootstrap.mean(nll_after, "NLL after adaptation"),
    )
    if swapped:
        return _swap_control(common(before, after, swapped), gain, nats, bootstrap)
    return Adaptation(
        adaptation=verdict(gain, None, None),
        gain=gain,
        swap_gain=None,
        swap_gap=None,
        personal_share=None,
        nats_per_token=nats,
    )


def _fall(name: str, settings: Sequence[Sequence[Prediction]], bootstrap: Bootstrap) -> Estimate:
    """Return the mean fall of the NLL from the first setting to the second.

    Over several training seeds the estimate also has an interval over personas and seeds.
    """
    higher, lower = (per_persona(nats_per_token, setting) for setting in settings)
    fall = bootstrap.mean(minus(higher, lower), name)
    crossed = crossed_difference(nats_per_token, settings[0], settings[1], LEVEL)
    if crossed is None:
        return fall
    low, high = crossed
    return Estimate(
        value=fall.value, low=fall.low, high=fall.high, crossed_low=low, crossed_high=high
    )


def _swap_control(
    settings: Sequence[Sequence[Prediction]],
    gain: Estimate,
    nats: BeforeAndAfter,
    bootstrap: Bootstrap,
) -> Adaptation:
    """Compare before, after own and after a stranger's support, on the same replies.

    `gain` and `nats` are of all replies; the verdict takes the gain on replies that have a swap.
    """
    before, after, swapped = settings
    start, own, stranger = (per_persona(nats_per_token, setting) for setting in settings)
    gap = _fall("swap_gap", (swapped, after), bootstrap)
    share = _share(minus(stranger, own), minus(start, own), bootstrap)
    return Adaptation(
        adaptation=verdict(bootstrap.mean(minus(start, own), "gain"), gap, share),
        gain=gain,
        swap_gain=_fall("swap_gain", (before, swapped), bootstrap),
        swap_gap=gap,
        personal_share=share,
        nats_per_token=nats,
    )


def _share(gap: Values, gain: Values, bootstrap: Bootstrap) -> Estimate | None:
    """Return Σ gap / Σ gain over personas; null unless the gain's interval lies above 0."""
    low = bootstrap.mean(gain, "gain").low
    if low is None or low <= 0:
        return None
    persona_sums = [np.array([gap[persona], gain[persona]]) for persona in sorted(gap)]
    return bootstrap.ratio(persona_sums, "personal_share")

"""What fine-tuning on a persona's dialogues gives, and how much of it a stranger's give too.

All in nats per token, closing token counted, on the same held-out replies: per persona over its
replies of all seeds, then the mean over personas. A gain alone cannot show personal adaptation:
meta-training may leave to the inner step what every persona needs.

- gain: NLL before (epoch 0) minus NLL after the persona's own support.
- swap gain: NLL before minus NLL after a stranger's support.
- swap gap: NLL after a stranger's support minus NLL after its own; the personal part of the gain.
- personal share: swap gap / gain, of the means; only where the gain's interval lies above 0.
- adaptation: the verdict on them (`verdict.py`).
"""

from collections.abc import Sequence

import numpy as np

from pipeline.artifacts import Content
from pipeline.evaluation.records.headline import epochs_of, select
from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.statistics.bootstrap import (
    LEVEL,
    Bootstrap,
    Estimate,
    SeededEstimate,
)
from pipeline.evaluation.statistics.persona_values import Values, common, minus, per_persona
from pipeline.evaluation.statistics.seeds import crossed_difference
from pipeline.evaluation.statistics.verdict import verdict


_NO_SWAP: Content = {"swap_gain": None, "swap_gap": None, "personal_share": None}


def adaptation(records: Sequence[Prediction], headline: int, bootstrap: Bootstrap) -> Content:
    """Return verdict, gain, swap gain, swap gap and personal share on test, at every epoch after 0.

    The headline epoch's stand on top. If it is 0 nothing is adapted and the gain is 0 by
    definition; `epochs` then shows what the other epochs would have given. The swap entries are
    null where no stranger's support was run.
    """
    own, swap = (select(records, "test", protocol) for protocol in ("leave_one_out", "swap"))
    epochs = {
        epoch: _at_epoch(_at(own, 0), _at(own, epoch), _at(swap, epoch), bootstrap)
        for epoch in epochs_of(own)
        if epoch > 0
    }
    no_gain = Estimate(0.0, 0.0, 0.0)
    not_adapted: Content = {"adaptation": "none", "gain": no_gain.as_dict(), **_NO_SWAP}
    return {
        **epochs.get(headline, not_adapted),
        "epochs": {str(epoch): content for epoch, content in epochs.items()},
    }


def _at(records: Sequence[Prediction], epoch: int) -> list[Prediction]:
    return [record for record in records if record.epoch == epoch]


def _at_epoch(
    before: Sequence[Prediction],
    after: Sequence[Prediction],
    swapped: Sequence[Prediction],
    bootstrap: Bootstrap,
) -> Content:
    settings = common(before, after)
    start, own = (per_persona(nats_per_token, those) for those in settings)
    gain = _fall("gain", settings, bootstrap)
    content: Content = {
        "gain": gain.as_dict(),
        "nats_per_token": {
            "before": bootstrap.mean(start, "NLL before adaptation").as_dict(),
            "after": bootstrap.mean(own, "NLL after adaptation").as_dict(),
        },
    }
    if not swapped:
        return content | _NO_SWAP | {"adaptation": verdict(gain, None, None)}
    return content | _swap_control(common(before, after, swapped), bootstrap)


def _fall(name: str, settings: Sequence[Sequence[Prediction]], bootstrap: Bootstrap) -> Estimate:
    """Return the mean fall of the NLL from one setting to another, over seeds too if there are.

    Over several training seeds the estimate also has an interval over personas and seeds.
    """
    higher, lower = (per_persona(nats_per_token, those) for those in settings)
    found = bootstrap.mean(minus(higher, lower), name)
    crossed = crossed_difference(nats_per_token, settings[0], settings[1], LEVEL)
    if crossed is None:
        return found
    return SeededEstimate(found.value, found.low, found.high, crossed)


def _swap_control(settings: Sequence[Sequence[Prediction]], bootstrap: Bootstrap) -> Content:
    """Compare before, after own and after a stranger's support, on the same replies."""
    before, after, swapped = settings
    start, own, stranger = (per_persona(nats_per_token, those) for those in settings)
    gain = bootstrap.mean(minus(start, own), "gain")
    gap = _fall("swap_gap", (swapped, after), bootstrap)
    share = _share(minus(stranger, own), minus(start, own), bootstrap)
    return {
        "swap_gain": _fall("swap_gain", (before, swapped), bootstrap).as_dict(),
        "swap_gap": gap.as_dict(),
        "personal_share": share and share.as_dict(),
        "adaptation": verdict(gain, gap, share),
    }


def _share(gap: Values, gain: Values, bootstrap: Bootstrap) -> Estimate | None:
    """Return Σ gap / Σ gain over personas; null unless there is a gain to be shared."""
    low = bootstrap.mean(gain, "gain").low
    if low is None or low <= 0:
        return None
    rows = [np.array([gap[persona], gain[persona]]) for persona in sorted(gap)]
    return bootstrap.ratio(rows, "personal_share")

"""The verdict on a variant's adaptation: no gain is called personal that is not. No torch.

The verdict rests on the 95 % intervals over personas alone that `adaptation.py` reports.
"""

from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.details import Verdict


HALF = 0.5


def verdict(gain: Estimate, swap_gap: Estimate | None, share: Estimate | None) -> Verdict:
    """Return the verdict on a fine-tuning, by the first rule that holds.

    1. harmful: the gain's interval lies below 0.
    2. not distinguishable from none: the gain's interval does not lie above 0, or there is none.
    3. gain without swap control: no stranger's support was tried.
    4. mostly not personal: the personal share's interval lies below a half.
    5. not distinguishable from a stranger's: the swap gap's interval does not lie above 0.
    6. personal: the personal share's interval lies above a half.
    7. partly personal: the personal share's interval holds a half.

    ("none" is for a headline epoch of 0, where nothing was fine-tuned.)

    Args:
        gain: NLL before minus after, nats per token, on the replies of the other two.
        swap_gap: NLL after a stranger's support minus after the person's own; null: not run.
        share: swap gap over gain; null where the gain's interval does not lie above 0.
    """
    if gain.high is not None and gain.high < 0:
        return "harmful"
    if not _above(gain, 0):
        return "not distinguishable from none"
    if swap_gap is None or share is None:
        return "gain without swap control"
    if share.high is not None and share.high < HALF:
        return "mostly not personal"
    if not _above(swap_gap, 0):
        return "not distinguishable from a stranger's"
    return "personal" if _above(share, HALF) else "partly personal"


def _above(estimate: Estimate, bound: float) -> bool:
    return estimate.low is not None and estimate.low > bound

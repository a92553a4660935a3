"""What an utterance of a self-played conversation is worth: P² Bot's rewards.

R rollouts; 2T utterances each, the sides in turn, the learning side first: A1, B1, A2, B2, ...
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


TOP = 2.0  # the persona reward lies in [0, TOP]; the others' natural ranges are of that size


@dataclass(frozen=True)
class Rewards:
    """Each reward of each utterance, (R, 2T), and how much each counts."""

    language: Tensor  # mean log p of a token, without context; at most 0
    coherence: Tensor | None  # P(IsNext) - 1/2; null if the variant does not predict it
    persona: Tensor  # scaled returns, within [0, TOP] if scaled by their own range
    penalty: Tensor  # likeness to something said before, from 0 to 1
    weights: Mapping[str, float]

    @property
    def total(self) -> Tensor:
        """The weighted sum, (R, 2T)."""
        weights = self.weights
        total = weights["language"] * self.language + weights["persona"] * self.persona
        if self.coherence is not None:
            total = total + weights["coherence"] * self.coherence
        return total - weights["penalty"] * self.penalty


def returns(perceived: Tensor, gamma: float) -> Tensor:
    """Return G_i = Pm_i + γ G_{i+1} over both sides' utterances in turn: (R, 2T) -> (R, 2T).

    So perception is mutual: a side is credited with what it draws from the other.
    """
    following = torch.zeros_like(perceived[:, 0])
    columns = []
    for column in reversed(perceived.unbind(1)):
        following = column + gamma * following
        columns.append(following)
    return torch.stack(columns[::-1], 1)


def value_range(values: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest value."""
    return values.min().item(), values.max().item()


def scaled(values: Tensor, span: tuple[float, float]) -> Tensor:
    """Map `span` to [0, TOP], linearly; an empty span to 0."""
    low, high = span
    if high <= low:
        return torch.zeros_like(values)
    return TOP * (values - low) / (high - low)


def repetition(said: Tensor) -> Tensor:
    """Return the largest cosine of each utterance with an earlier one, at least 0.

    Args:
        said: (R, 1 + 2T, H) embeddings, the opening utterance first.

    Returns:
        (R, 2T), the opening left out.
    """
    unit = F.normalize(said, dim=-1)
    cosines = unit @ unit.transpose(1, 2)  # (R, 1 + 2T, 1 + 2T)
    later = torch.ones_like(cosines[0], dtype=torch.bool).triu()
    return cosines.masked_fill(later, 0.0).amax(-1).clamp(min=0)[:, 1:]


def advantages(total: Tensor) -> Tensor:
    """Subtract each turn's mean over the rollouts, the baseline: (R, T) -> (R, T)."""
    return total - total.mean(0, keepdim=True)


def reinforce_loss(mean_nll: Tensor, total: Tensor) -> Tensor:
    """Return the mean of -log p (R - baseline): its gradient makes better utterances likelier.

    Args:
        mean_nll: (R, T) of each utterance of the learning side, per token, nats; has a graph.
        total: (R, T) rewards of these utterances; no gradient flows into them.
    """
    return (mean_nll * advantages(total).detach()).mean()

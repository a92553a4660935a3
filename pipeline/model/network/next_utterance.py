"""Next-utterance prediction: a head on the state after a candidate's closing token.

`choice` is the second head of TransferTransfo (Wolf et al. 2019): one score for each candidate, and
a softmax cross-entropy over the candidates of a reply. It has no bias, since a softmax does not see
it. `binary` is P² Bot's head (Liu et al. 2020): two logits for each candidate, not next and IsNext.
The true reply's cross-entropy and the mean over its distractors weigh one half each.

B sequences, T tokens, H width, U replies, C candidates, N tasks, L = 1 (choice) or 2 (binary).
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.model.sequences.branches import Branches
from pipeline.params import NextUtterance


HEAD = "next_utterance.weight"  # (L, H)

_STD = 0.02  # standard deviation: GPT-2's for its matrices, and both systems' for their heads


def initial_head(objective: NextUtterance, width: int, generator: torch.Generator) -> Tensor:
    """Return a random head (L, H): L = 1 (choice) or 2 (binary), H = `width`."""
    rows = 1 if objective.head == "choice" else 2
    return _STD * torch.randn(rows, width, generator=generator)


def scores(head: Tensor, states: Tensor) -> Tensor:
    """Score candidates by the states after their closing tokens: (..., H) -> (...).

    The score is the logit of `choice` or log p(IsNext) of `binary`: the higher the better. Equal
    states have equal scores to the bit; a matrix product would not guarantee that.
    """
    logits = (states[..., None, :] * head).sum(-1)
    if len(head) == 1:
        return logits[..., 0]
    return logits.log_softmax(-1)[..., 1]


def losses(parameters: Mapping[str, Tensor], hidden: Tensor, branches: Branches) -> Tensor:
    """Return each reply's loss in nats, (U,).

    Args:
        parameters: f's; only the head is read: (L, H), or (B, L, H) with one per sequence.
        hidden: states, (B, T, H).
        branches: the places of the candidates' closing tokens, the true reply first.
    """
    head, rows = parameters[HEAD], branches.rows
    states = hidden[rows[:, None], branches.ends]  # (U, C, H)
    logits = states @ (head[rows].mT if head.ndim == 3 else head.T)  # (U, C, L)
    if logits.shape[-1] == 1:
        return -logits[..., 0].log_softmax(-1)[:, 0]
    is_next = torch.zeros(branches.ends.shape, dtype=torch.long, device=rows.device)
    is_next[:, 0] = 1
    nll = F.cross_entropy(logits.flatten(0, 1), is_next.flatten(), reduction="none")
    nll = nll.view(branches.ends.shape)
    return 0.5 * (nll[:, 0] + nll[:, 1:].mean(-1))

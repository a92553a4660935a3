"""Fine-tuning on unseen personas (Section 4.2, last sentence): the same for every variant.

Many folds are adapted by one function. On a CPU one resident copy of θ is updated in place and
restored in memory for the next fold. On a GPU several folds share passes: their Φ and special rows
are stacked, (N, ...), beside one φ. A fold's loss depends on its own slice alone, so the gradient
of the losses' sum holds every fold's own gradient. SGD and Adam work number by number, so one
optimizer of the stack does what N would.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pipeline.errors import DivergedError, TrainingError
from pipeline.learning.finetuning.plan import Support, Update, plan
from pipeline.learning.task_loss.loss_gradients import loss_gradients
from pipeline.learning.task_loss.theta import Theta
from pipeline.model.network.learner import Learner
from pipeline.model.network.projection import SPECIAL
from pipeline.model.sequences.batching import Piece
from pipeline.params import Finetune


class AdaptedFolds(NamedTuple):
    """θ̂ of some folds after the same number of epochs, detached."""

    folds: list[int]  # their indices in `supports`
    epoch: int
    theta: Theta  # stacked, (N, ...), in that order if there is more than one fold

    def of_each(self) -> list[tuple[int, Theta]]:
        """Return each fold with its own θ̂; nothing is copied."""
        if len(self.folds) == 1:
            return [(self.folds[0], self.theta)]
        return [
            (fold, {name: value[place] for name, value in self.theta.items()})
            for place, fold in enumerate(self.folds)
        ]


def finetune(
    learner: Learner, supports: Sequence[Support], params: Finetune, *, at_once: int = 1
) -> Iterator[AdaptedFolds]:
    """Adapt copies of θ; yield every fold's θ̂ at each of `params.epochs` after epoch 0.

    Every fold starts from the learner's θ with a fresh optimizer; the learner is not changed.
    Tensors that the variant's inner loop did not move stay, as do those that `params.parameters`
    does not name. The rates that the inner loop has learned replace `params.lr`. The yielded
    tensors are updated in place later: use them at once.

    Args:
        learner: f and θ.
        supports: the folds; one without dialogues is not adapted.
        params: optimizer, rate, batch, epochs.
        at_once: folds that share passes, where the learner allows it (`Learner.stackable`). With
            one, folds come in order, epoch by epoch.

    Raises:
        DivergedError: a loss is not finite.
        TrainingError: learned rates meet an optimizer other than SGD.
    """
    plans = [plan(support, params) for support in supports]
    folds = [number for number, updates in enumerate(plans) if updates]
    size = at_once if learner.stackable else 1
    if size > 1:  # the longest first: the unfinished folds are always the first of a group
        folds.sort(key=lambda number: -len(plans[number]))
    resident = {name: value.detach().clone() for name, value in learner.theta.items()}
    for first in range(0, len(folds), size):
        group = folds[first : first + size]
        theta = _restored(resident, learner) if len(group) == 1 else _stack(learner, len(group))
        named = [(number, supports[number].key, plans[number]) for number in group]
        yield from _adapt(learner, theta, named, params)


def _adapt(
    learner: Learner,
    theta: dict[str, Tensor],
    group: Sequence[tuple[int, str, Sequence[Update]]],
    params: Finetune,
) -> Iterator[AdaptedFolds]:
    """Take the updates of one group's folds, (place, key, plan) each, the longest plan first."""
    kind = torch.optim.SGD if params.optimizer == "sgd" else torch.optim.Adam
    optimizer = kind(_groups(learner, theta, params), lr=params.lr)
    moving = [*learner.adapting(params.parameters)]
    kept: dict[int, dict[str, Tensor]] = {}  # by epoch: θ̂ of the folds that have ended it
    for step in range(len(group[0][2])):
        updates = [(number, key, todo[step]) for number, key, todo in group if step < len(todo)]
        optimizer.zero_grad()  # before the pass, which then needs no place beside old gradients
        losses = _gradients(learner, theta, [update.pieces for _, _, update in updates], moving)
        for loss, (_, key, update) in zip(losses.tolist(), updates, strict=True):
            if not isfinite(loss):
                raise DivergedError(f"{key}, epoch {update.epoch}: loss {loss}; lower finetune.lr")
        optimizer.step()  # a fold that is done has no gradient; Adam may move it, unread
        ended = [update.epoch if update.ends else None for _, _, update in updates]
        if len(group) > 1:
            _keep(kept, theta, ended)
        if ended[0] is not None:  # the longest plan: all folds have ended this epoch
            yield AdaptedFolds(
                [number for number, _, _ in group], ended[0], kept.pop(ended[0], theta)
            )


def _gradients(
    learner: Learner,
    theta: Theta,
    sets: Sequence[Sequence[Piece]],
    moving: Iterable[str],
) -> Tensor:
    """Leave the gradients of the first N folds' losses in θ's `.grad`; return the losses, (N,)."""
    stack = theta[SPECIAL].ndim > learner.theta[SPECIAL].ndim
    at_work = {name: value[: len(sets)] for name, value in theta.items()} if stack else theta
    at = loss_gradients(learner, at_work, learner.collate(sets), moving)
    for name, gradient in at.gradients.items():
        theta[name].grad = _padded(gradient, theta[name]) if stack else gradient
    return at.losses


def _padded(gradient: Tensor, leaf: Tensor) -> Tensor:
    """Extend the gradient of a leaf's first folds by zeros for the finished folds."""
    if len(gradient) == len(leaf):
        return gradient
    return torch.cat([gradient, torch.zeros_like(leaf[len(gradient) :])])


def _keep(kept: dict[int, dict[str, Tensor]], theta: Theta, ended: Sequence[int | None]) -> None:
    """Copy the θ̂ of folds that have ended an epoch: other folds may end it later."""
    for place, epoch in enumerate(ended):
        if epoch is None:
            continue
        copy = kept.setdefault(epoch, {n: torch.empty_like(v) for n, v in theta.items()})
        for name, value in theta.items():
            copy[name][place] = value.detach()[place]


def _restored(resident: dict[str, Tensor], learner: Learner) -> dict[str, Tensor]:
    """Write θ into the resident copy."""
    with torch.no_grad():
        for name, value in resident.items():
            value.copy_(learner.theta[name])
    return resident


def _stack(learner: Learner, size: int) -> dict[str, Tensor]:
    """Return N copies of θ, (N, ...)."""
    return {n: v.detach().expand(size, *v.shape).clone() for n, v in learner.theta.items()}


def _groups(learner: Learner, theta: Theta, params: Finetune) -> list[dict[str, Any]]:
    """Return the optimizer's groups: the tensors that move, with their learned rates."""
    rates = learner.adapting(params.parameters)
    learned = {name: rate for name, rate in rates.items() if rate is not None}
    if learned and params.optimizer != "sgd":
        raise TrainingError(
            f"finetune.optimizer is {params.optimizer}, but this variant has learned the rates of "
            "SGD steps; set finetune.optimizer to sgd"
        )
    moving = {name: theta[name].requires_grad_() for name in rates}
    rest = [value for name, value in moving.items() if name not in learned]
    groups: list[dict[str, Any]] = [{"params": rest}] if rest else []
    return groups + [{"params": [moving[name]], "lr": rate} for name, rate in learned.items()]

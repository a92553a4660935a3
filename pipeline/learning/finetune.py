"""Fine-tuning on an unseen persona (Section 4.2, last sentence): the same for every variant."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import DivergedError, TrainingError
from pipeline.learning.episodes import generator, num_replies, reply_batch
from pipeline.model.batching import Piece, collate, whole
from pipeline.model.encoding import Window
from pipeline.model.learner import Learner
from pipeline.params import Finetune


def finetune(
    learner: Learner, support: Sequence[tuple[Window, ...]], params: Finetune, *, key: str
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Adapt a copy of θ to the support dialogues; yield (epoch, θ̂) at each of `params.epochs`.

    Every call starts from the learner's θ with a fresh optimizer; the learner is not changed. What
    the variant's inner loop did not move stays, and rates that it has learned replace `params.lr`.
    The yielded tensors are updated in place later: use them before asking for the next epoch.

    Args:
        learner: f and θ.
        support: encoded dialogues; with none, only epoch 0 is yielded.
        params: optimizer, rate, batch, epochs.
        key: names the fold; with `params.seed` and the epoch it seeds the dialogues' order.

    Raises:
        DivergedError: a loss is not finite.
        TrainingError: learned rates meet an optimizer other than SGD.
    """
    theta = {name: value.detach().clone() for name, value in learner.theta.items()}
    kind = torch.optim.SGD if params.optimizer == "sgd" else torch.optim.Adam
    optimizer = kind(_groups(learner, theta, params), lr=params.lr)
    yield 0, theta
    for epoch in range(1, params.epochs[-1] + 1 if support else 1):
        for pieces in _updates(support, params, f"{params.seed}/{key}", epoch - 1):
            optimizer.zero_grad()
            loss = learner.loss(theta, collate(pieces, learner.device))
            if not torch.isfinite(loss):
                raise DivergedError(f"{key}, epoch {epoch}: loss {loss.item()}; lower finetune.lr")
            loss.backward()
            optimizer.step()
        if epoch in params.epochs:
            yield epoch, theta


def _groups(
    learner: Learner, theta: Mapping[str, Tensor], params: Finetune
) -> list[dict[str, Any]]:
    """Return the optimizer's groups: what moves, and at which rate."""
    rates = learner.inner_rates or dict.fromkeys(theta)
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


def _updates(
    support: Sequence[tuple[Window, ...]], params: Finetune, seed: str, epoch: int
) -> Iterator[list[Piece]]:
    """Yield an epoch's batches: one dialogue each, or `batch_size` replies each."""
    if params.batch_size is None:
        order = list(support)
        generator(seed, "order", epoch).shuffle(order)
        yield from map(whole, order)
        return
    per_epoch = -(-sum(map(num_replies, support)) // params.batch_size)
    for index in range(per_epoch):
        step = epoch * per_epoch + index
        yield reply_batch(support, size=params.batch_size, seed=seed, step=step)

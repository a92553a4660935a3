"""The query sets' loss before and after adaptation, which every way of training watches."""

from collections.abc import Sequence

import torch

from pipeline.learning.inner.adapt import adapt, stacked
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.inner.task_batch import collate_group, groups_of
from pipeline.learning.task_loss.episodes import Episode
from pipeline.learning.task_loss.theta import NOTHING, Theta
from pipeline.model.network.learner import Learner
from pipeline.processes.over_threads import ALONE, TaskThreads


def validate(
    learner: Learner,
    theta: Theta,
    episodes: Sequence[Episode],
    inner: InnerLoop,
    *,
    log_rates: Theta = NOTHING,
    threads: TaskThreads = ALONE,
) -> tuple[float, float]:
    """Return the query sets' NLL before and after adaptation: nats per token, over all episodes.

    With plain SGD it is the same for every way of training, so that histories can be read side by
    side.

    Args:
        learner: f.
        theta: θ.
        episodes: the tasks.
        inner: the inner loop.
        log_rates: log α by tensor, if the rates are learned.
        threads: take the tasks.
    """
    descent = inner.descent(log_rates)

    def losses(group: Sequence[Episode]) -> tuple[float, float, int]:
        tasks = collate_group(learner, group, inner.steps)
        start = stacked(theta, len(group))
        theta_hat = adapt(learner, start, tasks.supports, descent).theta_hat
        with torch.no_grad(), learner.model.attending(fused=True):
            before = learner.token_nll(start, tasks.query).sum().item()
            after = learner.token_nll(theta_hat, tasks.query).sum().item()
        return before, after, len(tasks.query.targets)

    sums = threads.map(losses, groups_of(learner, episodes, inner.tasks_at_once))
    before, after, tokens = (sum(column) for column in zip(*sums, strict=True))
    return before / tokens, after / tokens

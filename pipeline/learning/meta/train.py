"""Meta-training as a whole: episodes, meta-gradients, validation and Adam put together (Alg. 1, 2).

The "Require" lines are `MetaTrainParams`; the loop is shared with normal training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.learning.data import distractors
from pipeline.learning.data.episodes import (
    EncodedTask,
    EpisodeSize,
    training_episodes,
    validation_episodes,
    with_two_dialogues,
)
from pipeline.learning.inner import validation
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.inner.inner_rates import InnerRates, inner_set
from pipeline.learning.meta import maml
from pipeline.learning.parallel import over_ranks
from pipeline.learning.parallel.over_threads import TaskThreads
from pipeline.learning.training import loop
from pipeline.learning.training.history import StepReport, adaptation
from pipeline.model.network.learner import Learner
from pipeline.params import MetaTrainParams
from pipeline.processes.device import recompute, task_threads, tasks_at_once


FoundRates = dict[str, float | None] | None


def inner_loop_of(learner: Learner, params: MetaTrainParams) -> InnerLoop:
    """Return the inner loop as the parameters say, in the width that this machine likes.

    Raises:
        ParamsError: a pattern of `meta_train.inner_parameters` matches nothing.
    """
    rest = params.meta_train
    names = inner_set(learner.theta, rest.inner_parameters)
    return InnerLoop(
        InnerRates(names, params.inner_lr, rest.learn_inner_lr),
        params.inner_steps * params.inner_dialogues,
        params.meta_gradient,
        tasks_at_once=tasks_at_once(learner.device),
        recompute=recompute(),
        support_loss=rest.support_loss,
        optimizer=rest.inner_optimizer,
    )


def episode_size(params: MetaTrainParams) -> EpisodeSize:
    """Return how much of a task an outer step sees."""
    return EpisodeSize(params.inner_dialogues, params.inner_batch_size, params.inner_batch_size)


def run(
    learner: Learner,
    params: MetaTrainParams,
    tasks: Mapping[str, Sequence[EncodedTask]],
    *,
    seed: int,
    checkpoint: over_ranks.OneWriter,
    on_step: loop.OnStep,
) -> tuple[loop.Trained, FoundRates]:
    """Meta-train; return θ and how it came about, and what fine-tuning must know of α.

    Args:
        learner: f and the θ to start from.
        params: the "Require" lines.
        tasks: of splits train and valid.
        seed: of tasks and episodes.
        checkpoint: where the run's state is kept, and who shares its tasks.
        on_step: called after every outer step.

    Raises:
        TrainingError: no persona has two dialogues, or a loss is not finite.
    """
    inner = inner_loop_of(learner, params)
    personas = with_two_dialogues(tasks["train"], "train")
    size = episode_size(params)
    valid = validation_episodes(
        with_two_dialogues(tasks["valid"], "valid"), size, draws=params.meta_train.valid_episodes
    )
    attach = distractors.drawn(learner.model.objective, seed)
    threads = TaskThreads(task_threads(learner.device))

    def step(outer: loop.Theta, number: int) -> StepReport:
        drawn = training_episodes(personas, params.outer_batch_size, size, seed=seed, step=number)
        episodes = [
            replace(
                episode,
                supports=tuple(attach(support, number) for support in episode.supports),
                query=attach(episode.query, number),
            )
            for episode in drawn
        ]
        return over_ranks.step(
            checkpoint.ranks,
            outer,
            episodes,
            lambda mine: maml.meta_gradient(learner, outer, mine, inner, threads=threads),
        )

    def validate(outer: loop.Theta) -> dict[str, float]:
        losses = over_ranks.validate(
            checkpoint.ranks,
            valid,
            lambda mine: validation.validate(learner, outer, mine, inner, threads=threads),
        )
        return adaptation(losses)

    rest = params.meta_train
    schedule = loop.Schedule(params.outer_lr, params.outer_steps, rest, "valid_adapted_loss")
    start = inner.rates.start(learner.theta)
    with threads:
        trained = loop.run(start, step, validate, schedule, checkpoint=checkpoint, on_step=on_step)
    theta, _ = inner.rates.split(trained.theta)
    special = inner.rates.learned or len(inner.rates.names) < len(learner.theta)
    return replace(trained, theta=theta), inner.rates.found(trained.theta) if special else None

"""Meta-training as a whole: episodes, meta-gradients and validation put together (Alg. 1, 2).

The "Require" lines are `MetaTrainParams`. Adam's outer step is the loop's, in `training/loop.py`,
which normal training shares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.learning.inner import validation
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.meta import maml, over_ranks
from pipeline.learning.meta.room import require_room
from pipeline.learning.task_loss import next_utterance
from pipeline.learning.task_loss.episodes import (
    EncodedTask,
    EpisodeSize,
    training_episodes,
    validation_episodes,
    with_two_dialogues,
)
from pipeline.learning.task_loss.theta import NOTHING
from pipeline.learning.training import loop
from pipeline.learning.training.history import DialogueStep, adaptation
from pipeline.learning.training.learned import Learned
from pipeline.learning.training.rate import Criterion, Schedule
from pipeline.model.network.learner import Learner
from pipeline.params import MetaTrainParams
from pipeline.params.patterns import matching
from pipeline.processes.device import recompute, task_threads, tasks_at_once
from pipeline.processes.over_threads import TaskThreads
from pipeline.processes.ranks import Ranks


RatesForFinetuning = dict[str, float | None] | None  # of `InnerLoop.rates_for_finetuning`


def inner_loop_of(learner: Learner, params: MetaTrainParams) -> InnerLoop:
    """Return the inner loop as the parameters say, with as many tasks at once as suits the machine.

    Raises:
        ParamsError: a pattern of `meta_train.inner_parameters` matches nothing.
    """
    rest = params.meta_train
    return InnerLoop(
        matching(learner.theta, rest.inner_parameters, "meta_train.inner_parameters"),
        params.inner_lr,
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
    ranks: Ranks,
    *,
    seed: int,
    session: loop.Session,
) -> tuple[loop.Trained, RatesForFinetuning]:
    """Meta-train; return θ and how it came about, and what fine-tuning must know of α.

    Args:
        learner: f and the θ to start from.
        params: the "Require" lines.
        tasks: of splits train and valid.
        ranks: share the tasks.
        seed: of tasks and episodes.
        session: keeps the run's state, is told of every outer step.

    Raises:
        TrainingError: no persona has two dialogues, a step does not fit the memory, or a loss is
            not finite.
    """
    inner = inner_loop_of(learner, params)
    personas = with_two_dialogues(tasks["train"], "train")
    size = episode_size(params)
    require_room(learner, personas, inner, params.outer_batch_size, params.inner_batch_size or 0)
    valid = validation_episodes(
        with_two_dialogues(tasks["valid"], "valid"), size, draws=params.meta_train.valid_episodes
    )
    attach = next_utterance.attaching(learner.model.objective, seed)
    threads = TaskThreads(task_threads(learner.device))

    def step(learned: Learned, number: int) -> DialogueStep:
        episodes = [
            replace(
                episode,
                supports=tuple(attach(support, number) for support in episode.supports),
                query=attach(episode.query, number),
            )
            for episode in training_episodes(
                personas, params.outer_batch_size, size, seed=seed, step=number
            )
        ]
        return over_ranks.step(
            ranks,
            learned.tensors(),
            episodes,
            lambda mine: maml.meta_gradient(
                learner, learned.theta, mine, inner, log_rates=learned.log_rates, threads=threads
            ),
        )

    def validate(learned: Learned) -> dict[str, float]:
        losses = over_ranks.validate(
            ranks,
            valid,
            lambda mine: validation.validate(
                learner, learned.theta, mine, inner, log_rates=learned.log_rates, threads=threads
            ),
        )
        return adaptation(losses)

    learns_rates = params.meta_train.learn_inner_lr
    start = Learned(
        learner.theta, inner.start_of_log_rates(learner.theta) if learns_rates else NOTHING
    )
    criterion = Criterion("valid_adapted_loss", "lowest")
    schedule = Schedule(params.outer_lr, params.outer_steps, params.meta_train, criterion)
    with threads:
        trained = loop.run(start, step, validate, schedule, session)
    return trained, inner.rates_for_finetuning(trained.theta, trained.log_rates)

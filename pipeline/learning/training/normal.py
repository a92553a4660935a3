"""Normal training as a whole (Section 4.2): replies of all personas, validation and Adam.

Validation also adapts copies of θ by one SGD step, at `probe_lr`. It selects nothing: it draws the
curve of adaptation that meta-training has, too.
"""

from collections.abc import Mapping, Sequence

from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.inner.validation import validate
from pipeline.learning.task_loss.episodes import (
    EncodedTask,
    EpisodeSize,
    reply_batch,
    validation_episodes,
    with_two_dialogues,
)
from pipeline.learning.task_loss.memory import Pass, step_bytes, training_bytes
from pipeline.learning.training import loop
from pipeline.learning.training.history import adaptation
from pipeline.learning.training.learned import Learned
from pipeline.learning.training.rate import Criterion, Schedule
from pipeline.learning.training.supervised import supervised_step
from pipeline.model.network.learner import Learner
from pipeline.params import TrainParams
from pipeline.processes.memory import require_memory


def run(
    learner: Learner,
    params: TrainParams,
    tasks: Mapping[str, Sequence[EncodedTask]],
    *,
    seed: int,
    session: loop.Session,
) -> loop.Trained:
    """Train on the replies of all training personas together; keep θ of the lowest valid loss.

    Args:
        learner: f and the θ to start from.
        params: section `train` is read.
        tasks: of splits train and valid.
        seed: of the replies' order and of distractors.
        session: keeps the run's state, is told of every step.

    Raises:
        TrainingError: no valid persona has two dialogues, a step does not fit the memory, or a
            loss is not finite.
    """
    episodes = validation_episodes(
        with_two_dialogues(tasks["valid"], "valid"),
        EpisodeSize(dialogues=1, replies=None, query_replies=None),
        draws=params.train.valid_episodes,
    )
    probe = InnerLoop(list(learner.theta), params.train.probe_lr, steps=1, kind="first_order")
    _require_room(learner, tasks["train"], params.train.batch_size, seed)
    step = supervised_step(learner, tasks["train"], params.train.batch_size, seed)
    criterion = Criterion("valid_loss", "lowest")
    return loop.run(
        Learned(learner.theta),
        lambda learned, number: step(learned.theta, number),
        lambda learned: adaptation(validate(learner, learned.theta, episodes, probe)),
        Schedule(params.train.lr, params.train.steps, params.train, criterion),
        session,
    )


_LOOKED_AT = 32  # batches, of which the largest counts


def _require_room(
    learner: Learner, tasks: Sequence[EncodedTask], batch_size: int, seed: int
) -> None:
    """Refuse a step that will not fit the memory that is free."""
    dialogues = [dialogue for task in tasks for dialogue in task.dialogues]
    size = max(
        (
            Pass.of(reply_batch(dialogues, size=batch_size, seed=seed, step=number))
            for number in range(_LOOKED_AT)
        ),
        key=lambda one: one.sequences * one.length,
    )
    need = training_bytes(learner, step_bytes(learner, size, exact=False), sums=False)
    ways = ["lower train.batch_size", "lower base.context"]
    ways += [] if learner.stackable else ["take a variant with adapters and freeze_base"]
    require_memory("a training step", need, learner.device, ways)

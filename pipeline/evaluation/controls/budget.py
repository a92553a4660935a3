"""How many replies a way of training sees, counted on its own draws before it is trained.

Normal training draws replies, meta-training dialogues. So a control that is to see as many replies
as meta-training needs another number of steps, which is computed here. Batches are whole, so a
control sees up to one batch of replies too many, never too few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import TrainingError
from pipeline.learning.meta.train import episode_size
from pipeline.learning.task_loss.episodes import EncodedTask, training_episodes, with_two_dialogues
from pipeline.model.files.variant_record import TrainingRun
from pipeline.model.sequences.batching import Piece
from pipeline.model.sequences.encoding import ReplySpan, Window
from pipeline.params import FinetuneParams, MetaTrainParams, TrainParams, Variant
from pipeline.persona.task.record import Dialogue, PersonaTask


_OF_CONTROLS = {*TrainParams.model_fields, *FinetuneParams.model_fields}


@dataclass(frozen=True)
class Budget:
    """Replies with repetitions, as `replies` and `outer_replies` of `variant.json`."""

    total: int  # in any loss, inner or outer
    outer: int  # in the loss that moves θ


def meta_budget(tasks: Sequence[PersonaTask], params: MetaTrainParams, seed: int) -> Budget:
    """Return what meta-training sees in all its outer steps, if it does not stop early."""
    counted = with_two_dialogues([_counted(task) for task in tasks], "train")
    size = episode_size(params)
    support = query = 0
    for step in range(params.outer_steps):
        episodes = training_episodes(counted, params.outer_batch_size, size, seed=seed, step=step)
        support += sum(_replies(episode.support) for episode in episodes)
        query += sum(_replies(episode.query) for episode in episodes)
    total = support + query
    return Budget(total, outer=total if params.meta_train.support_loss else query)


def normal_budget(replies: int, *, batch_size: int, steps: int) -> Budget:
    """Return what normal training sees; an epoch has `replies`, its last batch may be smaller."""
    epochs, rest = divmod(steps, -(-replies // batch_size))
    seen = epochs * replies + min(rest * batch_size, replies)
    return Budget(total=seen, outer=seen)


def steps_for(budget: int, replies: int, *, batch_size: int) -> int:
    """Return the fewest steps of normal training that see at least `budget` replies.

    They see less than one batch too many.

    Raises:
        TrainingError: split train has no replies.
    """
    if replies == 0:
        raise TrainingError("split train holds no replies; check data/tasks/summary.json")
    epochs, rest = divmod(budget, replies)
    return epochs * -(-replies // batch_size) + -(-rest // batch_size)


def recorded(run: TrainingRun) -> Budget:
    """Return what a finished run saw, as its own record counts."""
    return Budget(total=run.replies, outer=run.outer_replies)


def control(variant: Variant, steps: int) -> Variant:
    """Return the variant's axes for normal training of so many steps, without early stopping.

    Of the variant's `set` only the keys stay that normal training or fine-tuning reads.
    """
    kept = {key: value for key, value in variant.set.items() if key.split(".")[0] in _OF_CONTROLS}
    values = {**kept, "train.steps": steps, "train.patience": steps}
    return variant.model_copy(update={"set": values})


def check_control(run: TrainingRun, wanted: int, *, batch_size: int) -> int:
    """Return by how many replies a control's run exceeds `wanted` in its loss.

    Raises:
        TrainingError: the run is not of normal training, or not of equal budget.
    """
    surplus = run.outer_replies - wanted
    if run.method != "train" or not 0 <= surplus < batch_size:
        raise TrainingError(
            f"{run.name}, seed {run.seed}: {run.method}, {run.outer_replies} replies in the loss; "
            f"an equal budget is {wanted} by train, and fewer than {batch_size} more: set its "
            "train.steps again and retrain it"
        )
    return surplus


def num_replies(tasks: Sequence[PersonaTask]) -> int:
    """Return how many replies the tasks hold: one epoch of normal training."""
    return sum(len(dialogue.turns) for task in tasks for dialogue in task.dialogues)


def _counted(task: PersonaTask) -> EncodedTask:
    return EncodedTask(task.task_id, tuple(_window(dialogue) for dialogue in task.dialogues))


def _window(dialogue: Dialogue) -> tuple[Window, ...]:
    """Return a dialogue without its text: draws depend only on its number of replies."""
    spans = tuple(ReplySpan(turn, 0, 0) for turn in range(len(dialogue.turns)))
    return (Window((), spans),)


def _replies(pieces: Sequence[Piece]) -> int:
    return sum(len(piece.spans) for piece in pieces)

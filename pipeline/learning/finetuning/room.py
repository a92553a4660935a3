"""Whether fine-tuning fits the memory that is free, asked before the first fold."""

from collections.abc import Iterable, Sequence

from pipeline.learning.finetuning.plan import Support, plan
from pipeline.learning.task_loss.memory import Pass, step_bytes, theta_bytes
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Piece, whole
from pipeline.params import Finetune
from pipeline.persona.task.record import PersonaTask
from pipeline.processes.cores import num_workers
from pipeline.processes.memory import require_memory


def require_room(
    learner: Learner, tasks: Sequence[PersonaTask], params: Finetune, at_once: int
) -> None:
    """Refuse updates that will not fit beside those of the other workers.

    Args:
        learner: f and θ, in this process.
        tasks: the personas.
        params: optimizer and updates.
        at_once: folds in a pass.

    Raises:
        TrainingError: it names how much is needed and free, and what lowers it.
    """
    folds = at_once if learner.stackable else 1
    dialogues = (whole(learner.encoder.encode(d)) for task in tasks for d in task.dialogues)
    own = _bytes(learner, dialogues, params, folds)
    workers = num_workers() if learner.device.type == "cpu" else 1
    ways = [f"set MAMLVIAPP_WORKERS to less than {workers}"] if workers > 1 else []
    ways += [f"set MAMLVIAPP_FOLDS_AT_ONCE to less than {folds}"] if folds > 1 else []
    ways.append("lower base.context")
    what = "fine-tuning" if workers == 1 else f"fine-tuning on {workers} processes"
    require_memory(what, workers * own, learner.device, ways)


def require_room_to_adapt(learner: Learner, support: Support, params: Finetune) -> None:
    """Refuse updates of one person, on this process, that will not fit.

    Raises:
        TrainingError: it names how much is needed and free, and what lowers it.
    """
    once = params.model_copy(update={"epochs": [0, 1]})
    if updates := plan(support, once):
        need = _bytes(learner, (update.pieces for update in updates), params, 1)
        ways = ["give shorter conversations: an update reads a whole one"]
        require_memory("adapting to the person", need, learner.device, ways)


def _bytes(
    learner: Learner, updates: Iterable[Sequence[Piece]], params: Finetune, folds: int
) -> int:
    """Return what the largest update needs beyond the learner, of so many folds in a pass."""
    size = max(
        (Pass.of(pieces, folds) for pieces in updates), key=lambda one: one.sequences * one.length
    )
    optimizers = {params.optimizer, *(one.optimizer for own in params.by_k.values() for one in own)}
    copies = 1 + (2 if "adam" in optimizers else 0)  # θ̂, and Adam's moments
    return folds * copies * theta_bytes(learner) + step_bytes(
        learner, size, exact=False, tasks=folds
    )

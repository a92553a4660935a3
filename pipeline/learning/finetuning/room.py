"""Whether fine-tuning fits the memory that is free, asked before the first fold."""

from collections.abc import Sequence

from pipeline.learning.task_loss.memory import Pass, step_bytes, theta_bytes
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import whole
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
    dialogues = [whole(learner.encoder.encode(d)) for task in tasks for d in task.dialogues]
    size = max(
        (Pass.of(pieces, folds) for pieces in dialogues),
        key=lambda one: one.sequences * one.length,
    )
    optimizers = {params.optimizer, *(one.optimizer for own in params.by_k.values() for one in own)}
    copies = 1 + (2 if "adam" in optimizers else 0)  # θ̂, and Adam's moments
    own = folds * copies * theta_bytes(learner)
    own += step_bytes(learner, size, exact=False, tasks=folds)
    workers = num_workers() if learner.device.type == "cpu" else 1
    ways = [f"set MAMLVIAPP_WORKERS to less than {workers}"] if workers > 1 else []
    ways += [f"set MAMLVIAPP_FOLDS_AT_ONCE to less than {folds}"] if folds > 1 else []
    ways.append("lower base.context")
    what = "fine-tuning" if workers == 1 else f"fine-tuning on {workers} processes"
    require_memory(what, workers * own, learner.device, ways)

"""Whether a meta-step fits the memory that is free, asked before the first one."""

from collections.abc import Sequence

from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.task_loss.episodes import EncodedTask
from pipeline.learning.task_loss.memory import Pass, step_bytes, training_bytes
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import whole
from pipeline.processes.device import task_threads
from pipeline.processes.memory import require_memory


def require_room(
    learner: Learner, tasks: Sequence[EncodedTask], inner: InnerLoop, batch_size: int, replies: int
) -> None:
    """Refuse a meta-step that will not fit.

    Args:
        learner: f.
        tasks: of training.
        inner: the inner loop.
        batch_size: tasks of a step.
        replies: of a support or query set, at most; 0: all of a dialogue.

    Raises:
        TrainingError: it names how much is needed and free, and what lowers it.
    """
    together = min(inner.tasks_at_once, batch_size) if learner.stackable else 1
    groups = -(-batch_size // together)
    threads = min(task_threads(learner.device), groups)
    exact = inner.kind == "exact"
    size = max(
        (_pass(task, together, replies) for task in tasks),
        key=lambda one: one.sequences * one.length**2,
    )
    kept = 1 if inner.recompute else inner.steps
    step = step_bytes(learner, size, exact=exact, tasks=together, kept_steps=kept)
    need = training_bytes(learner, step, groups_at_once=threads, sums=groups > 1)
    require_memory("a meta-step", need, learner.device, _lowers(learner, inner, together, threads))


def _pass(task: EncodedTask, tasks: int, replies: int) -> Pass:
    """Return the size of the pass over a task's longest dialogue."""
    pieces = whole(max(task.dialogues, key=lambda windows: sum(len(w.ids) for w in windows)))
    size = Pass.of(pieces, tasks)
    spans = sum(len(piece.spans) for piece in pieces)
    share = min(1.0, replies / spans) if replies else 1.0
    return Pass(size.sequences, size.length, int(size.predicted * share))


def _lowers(learner: Learner, inner: InnerLoop, together: int, threads: int) -> list[str]:
    ways = ["set MAMLVIAPP_TASK_THREADS=1"] if threads > 1 else []
    ways += ["set MAMLVIAPP_TASKS_AT_ONCE=1"] if together > 1 else []
    if inner.kind == "exact" and inner.steps > 1 and not inner.recompute:
        ways.append("set MAMLVIAPP_RECOMPUTE=1")
    ways.append("lower base.context")
    if not learner.stackable:
        ways.append("take a variant with adapters and freeze_base")
    elif all(value.element_size() > 2 for value in learner.fixed.values() if value.ndim > 1):
        ways.append("set base.dtype to bfloat16")
    return ways

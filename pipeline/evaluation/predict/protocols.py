"""Which dialogues of a persona are support, and which are query. No torch.

- Leave-one-out (Table 1): the query is a held-out dialogue, the support all other dialogues.
- Swap: the query is the same held-out dialogue, the support as many dialogues of a stranger.
- K-shot swap: the query is K-shot's, the support the first K dialogues of one stranger.
- K-shot (Fig. 3): each persona has one seeded permutation of its dialogues. The support is the
  first K, the query the dialogues after the first max(K), the same for every K.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from pipeline.errors import ParamsError
from pipeline.evaluation.records.prediction import Protocol
from pipeline.params import Finetune
from pipeline.persona.task.record import Dialogue, PersonaTask


@dataclass(frozen=True)
class Fold:
    """One adaptation: support dialogues to adapt to, query dialogues to score."""

    protocol: Protocol
    task_id: str
    support: tuple[Dialogue, ...]
    query: tuple[Dialogue, ...]

    @property
    def k(self) -> int:
        """The number of support dialogues."""
        return len(self.support)

    @property
    def key(self) -> str:
        """The fold's name, which seeds the order of its updates."""
        return "/".join((self.protocol, self.task_id, self.query[0].dialogue_id, str(self.k)))


def permuted(task: PersonaTask, seed: int) -> tuple[Dialogue, ...]:
    """Return the persona's dialogues in the one seeded order that all protocols use."""
    dialogues = list(task.dialogues)
    Random(f"{seed}/permutation/{task.task_id}").shuffle(dialogues)
    return tuple(dialogues)


def leave_one_out(task: PersonaTask, params: Finetune) -> list[Fold]:
    """Return a fold for each held-out dialogue, at most `max_folds`; none for a lone dialogue."""
    dialogues = permuted(task, params.seed)
    limit = params.max_folds.valid if task.split == "valid" else params.max_folds.test
    if len(dialogues) < 2:
        return []
    return [
        Fold("leave_one_out", task.task_id, dialogues[:held] + dialogues[held + 1 :], (query,))
        for held, query in enumerate(dialogues[:limit])
    ]


def stranger_to(fold: Fold, tasks: Sequence[PersonaTask], params: Finetune) -> PersonaTask | None:
    """Return whom `swapped` draws: a persona with enough dialogues; None if no other has enough."""
    strangers = [t for t in tasks if t.task_id != fold.task_id and len(t.dialogues) >= fold.k]
    if not strangers:
        return None
    return Random(f"{params.seed}/stranger/{fold.key}").choice(strangers)


def swapped(fold: Fold, tasks: Sequence[PersonaTask], params: Finetune) -> Fold | None:
    """Return the fold with a stranger's support: the same query, as many support dialogues.

    The stranger is drawn among the personas with enough dialogues; None if no persona has enough.
    """
    stranger = stranger_to(fold, tasks, params)
    if stranger is None:
        return None
    return Fold("swap", fold.task_id, permuted(stranger, params.seed)[: fold.k], fold.query)


def k_shot_swapped(task: PersonaTask, tasks: Sequence[PersonaTask], params: Finetune) -> list[Fold]:
    """Return K-shot's folds for K > 0 with a stranger's support: the same stranger at every K.

    None if no other persona has max(K) dialogues, or if the persona has no K-shot fold.
    """
    folds = [fold for fold in k_shot(task, params) if fold.k]
    if not folds:
        return []
    largest = swapped(folds[-1], tasks, params)
    if largest is None:
        return []
    return [
        replace(fold, protocol="k_shot_swap", support=largest.support[: fold.k]) for fold in folds
    ]


def k_shot(task: PersonaTask, params: Finetune) -> list[Fold]:
    """Return a fold for each K; none if the persona has no dialogue beyond the first max(K)."""
    dialogues = permuted(task, params.seed)
    query = dialogues[max(params.k, default=len(dialogues)) :]
    if not query:
        return []
    return [Fold("k_shot", task.task_id, dialogues[:k], query) for k in params.k]


def without_k_shot(tasks: Sequence[PersonaTask], params: Finetune, whose: str) -> str:
    """Say that nobody has a dialogue left after the largest K: there is no K-shot fold at all.

    Args:
        tasks: the people whose folds are scored.
        params: the K; none is asked for where they are empty.
        whose: names the people in the message.

    Returns:
        A line with the largest K, how many dialogues people have, and what to lower; empty where
        somebody has a fold.
    """
    most = max((len(task.dialogues) for task in tasks), default=0)
    if not (tasks and params.k and params.k[-1] >= most):
        return ""
    return (
        f"finetune.k: the largest K is {params.k[-1]}, and the people of {whose} have at most "
        f"{most} dialogues, so nobody has one left to score; lower K to at most {most - 1}"
    )


def require_k_shot(tasks: Sequence[PersonaTask], params: Finetune, whose: str) -> None:
    """Refuse K after which nobody has a dialogue left; arguments as `without_k_shot`.

    Raises:
        ParamsError: its line.
    """
    if said := without_k_shot(tasks, params, whose):
        raise ParamsError(said)

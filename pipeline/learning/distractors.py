"""Which wrong candidates next-utterance prediction learns from.

In training they are drawn anew at every step from the replies of other training personas, as stage
`tasks` draws those of Hits@1: never the true reply, never what the same persona says anywhere. At
test, fine-tuning has only the support dialogues, whose replies bring candidates of their own.
A draw is a function of (seed, dialogue, turn, step), so it is the same for every variant.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from pipeline.errors import TrainingError
from pipeline.learning.episodes import EncodedTask, generator
from pipeline.model.batching import Piece
from pipeline.model.encoding import Encoder, ReplySpan, Window
from pipeline.params import NextUtterance
from pipeline.persona.task import Dialogue


Ids = tuple[int, ...]
Attach = Callable[[Sequence[Piece], int], list[Piece]]  # pieces of a step, with their distractors
Choose = Callable[[Window, ReplySpan, Random], Sequence[Ids]]


def none(pieces: Sequence[Piece], _: int) -> list[Piece]:
    """Attach nothing."""
    return list(pieces)


def of_others(
    objective: NextUtterance | None, tasks: Sequence[EncodedTask], *, context: int, seed: int
) -> Attach:
    """Return what attaches other personas' replies to training pieces.

    Args:
        objective: of the variant; null: nothing is attached.
        tasks: all training tasks.
        context: tokens; a reply that would not fit after a prefix is not drawn for it.
        seed: of the draws.
    """
    if objective is None:
        return none
    pool = _Pool(tasks, objective.candidates - 1, context)
    return lambda pieces, step: _attached(pieces, pool.choose, f"{seed}/distractors/{step}")


def of_support(
    objective: NextUtterance | None, dialogues: Sequence[Dialogue], encoder: Encoder, *, key: str
) -> Attach:
    """Return what attaches the replies' own candidates, as many as in training where there are."""
    if objective is None:
        return none
    wrong = {
        (dialogue.dialogue_id, number): [
            encoder.segment(text) for text in turn.candidates or () if text != turn.reply
        ]
        for dialogue in dialogues
        for number, turn in enumerate(dialogue.turns)
    }
    count = min(objective.candidates - 1, *map(len, wrong.values())) if wrong else 0

    def choose(window: Window, span: ReplySpan, random: Random) -> Sequence[Ids]:
        room = encoder.context - span.start - 1  # a longer one is cut, its closing token kept
        drawn = random.sample(wrong[window.dialogue_id, span.turn], count)
        return [(*ids[:room], encoder.format.closing) for ids in drawn]

    if count < 1:
        return none
    return lambda pieces, step: _attached(pieces, choose, f"{key}/distractors/{step}")


def _attached(pieces: Sequence[Piece], choose: Choose, key: str) -> list[Piece]:
    def of(window: Window, span: ReplySpan) -> tuple[Ids, ...]:
        return tuple(choose(window, span, generator(key, window.dialogue_id, span.turn)))

    return [
        replace(piece, distractors=tuple(of(piece.window, span) for span in piece.spans))
        for piece in pieces
    ]


class _Pool:
    """All training replies, and who says them."""

    def __init__(self, tasks: Sequence[EncodedTask], count: int, context: int) -> None:
        self._count, self._context = count, context
        self._said: list[Ids] = []  # closing tokens included
        self._task_of: dict[str, int] = {}
        self._own: list[set[Ids]] = [set() for _ in tasks]
        for number, task in enumerate(tasks):
            for window in (window for dialogue in task.dialogues for window in dialogue):
                self._task_of[window.dialogue_id] = number
                for span in window.spans:
                    ids = window.ids[span.start : span.end]
                    self._said.append(ids)
                    self._own[number].add(ids)

    def choose(self, window: Window, span: ReplySpan, random: Random) -> list[Ids]:
        """Draw distinct replies of others.

        Raises:
            TrainingError: there are too few that differ and fit into the context.
        """
        own, room = self._own[self._task_of[window.dialogue_id]], self._context - span.start
        found: dict[Ids, None] = {}
        for _ in range(100 * self._count):
            said = random.choice(self._said)
            if said not in own and len(said) <= room:
                found[said] = None
            if len(found) == self._count:
                return list(found)
        raise TrainingError(
            f"dialogue {window.dialogue_id}, turn {span.turn}: no {self._count} different replies "
            "of other personas fit into the context; lower the variant's "
            "next_utterance.candidates or raise base.pretrain.context"
        )

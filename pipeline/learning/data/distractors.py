"""Which wrong candidates next-utterance prediction learns from: some of the reply's own.

The corpus brings 19 for each reply, or stage `tasks` draws them, for training as for Hits@1. A step
takes a few of them, anew each time, as P² Bot does. A draw is a function of (seed, step, dialogue,
turn), so it is the same for every variant.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.errors import TrainingError
from pipeline.learning.data.episodes import generator
from pipeline.model.sequences.batching import Piece
from pipeline.model.sequences.encoding import ReplySpan, Window
from pipeline.params import NextUtterance


Attach = Callable[[Sequence[Piece], int], list[Piece]]  # pieces of a step, with their distractors


def drawn(objective: NextUtterance | None, seed: int | str) -> Attach:
    """Return what gives the pieces of a step their distractors; none without an objective.

    Args:
        objective: the variant's.
        seed: of the draws.

    Raises (when called):
        TrainingError: a reply has fewer distractors than the objective asks for.
    """
    if objective is None:
        return none
    count = objective.candidates - 1

    def of(window: Window, span: ReplySpan, step: int) -> tuple[tuple[int, ...], ...]:
        if len(span.distractors) < count:
            raise TrainingError(
                f"dialogue {window.dialogue_id}, turn {span.turn}: {len(span.distractors)} "
                f"distractors, but next_utterance.candidates {objective.candidates} needs {count}"
            )
        random = generator(seed, "distractors", step, window.dialogue_id, span.turn)
        return tuple(random.sample(span.distractors, count))

    return lambda pieces, step: [
        replace(piece, distractors=tuple(of(piece.window, span, step) for span in piece.spans))
        for piece in pieces
    ]


def none(pieces: Sequence[Piece], _: int) -> list[Piece]:
    """Give nothing: the loss is the language model's alone."""
    return list(pieces)

"""The wrong candidates that next-utterance prediction learns from: some of the reply's own.

The corpus has 19 for each reply, or stage `tasks` draws them. Each step draws a few of them anew,
as P² Bot does. A draw is a function of (seed, step, dialogue, turn), so it is the same for every
variant.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.errors import TrainingError
from pipeline.learning.task_loss.episodes import generator
from pipeline.model.sequences.batching import Piece
from pipeline.model.sequences.encoding import ReplySpan, Window
from pipeline.params import NextUtterance


Attach = Callable[[Sequence[Piece], int], list[Piece]]  # of pieces and the step's number


def attaching(objective: NextUtterance | None, seed: int | str) -> Attach:
    """Return the function that gives the pieces of a step their distractors.

    Args:
        objective: the variant's; null: pieces stay as they are.
        seed: of the draws.

    Raises (when called):
        TrainingError: a reply has fewer distractors than the objective asks for.
    """
    if objective is None:
        return lambda pieces, _: list(pieces)
    count = objective.candidates - 1

    def draw(window: Window, span: ReplySpan, step: int) -> tuple[tuple[int, ...], ...]:
        if len(span.distractors) < count:
            raise TrainingError(
                f"dialogue {window.dialogue_id}, turn {span.turn}: {len(span.distractors)} "
                f"distractors, but next_utterance.candidates {objective.candidates} needs {count}"
            )
        random = generator(seed, "distractors", step, window.dialogue_id, span.turn)
        return tuple(random.sample(span.distractors, count))

    return lambda pieces, step: [
        replace(piece, distractors=tuple(draw(piece.window, span, step) for span in piece.spans))
        for piece in pieces
    ]

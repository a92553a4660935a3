"""The support dialogues in the prompt instead of in the weights: the control without a gradient.

The model reads a query dialogue after whole support dialogues, as if all were one conversation: the
query's persona first, then the support's turns, then the query's turns. The format has no mark
between dialogues.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.errors import ContextError
from pipeline.evaluation.predict.protocols import Fold
from pipeline.model.sequences.encoding import Encoder, Window
from pipeline.persona.task.record import Dialogue


def in_context(
    fold: Fold, shots: Sequence[int], encoder: Encoder, room: int
) -> Iterator[tuple[Fold, Window]]:
    """Yield (fold, window) for each prompt of a fold's one query dialogue.

    For each K of `shots` the prompt has the first K support dialogues, or as many of them as fit.
    The yielded fold has the same support dialogues, so its `k` counts them. Each count is yielded
    once. Nothing is yielded if not even one dialogue fits: the score without any is the K-shot
    score at K = 0.

    Args:
        fold: a K-shot fold with the most support dialogues and one query dialogue.
        shots: K > 0, increasing.
        encoder: the learner's.
        room: tokens that are kept free for a candidate or response in place of a reply.
    """
    (query,) = fold.query
    prompts: list[Window] = []  # with 1, 2, ... support dialogues
    for k in range(1, max(shots, default=0) + 1):
        window = _window(fold.support[:k], query, encoder, room)
        if window is None:
            break
        prompts.append(window)
    for k in sorted({min(k, len(prompts)) for k in shots} - {0}):
        yield replace(fold, protocol="in_context", support=fold.support[:k]), prompts[k - 1]


def _window(
    support: Sequence[Dialogue], query: Dialogue, encoder: Encoder, room: int
) -> Window | None:
    """Return the query's replies after the support dialogues; None if the context is too short."""
    before = [turn for dialogue in support for turn in dialogue.turns]
    whole = query.model_copy(update={"turns": [*before, *query.turns]})
    try:
        windows = encoder.encode(whole, room=room)
    except ContextError:  # not even a turn of the support fits behind the query's persona
        return None
    if len(windows) > 1:
        return None
    spans = (s for s in windows[0].spans if s.turn >= len(before))
    own = tuple(replace(span, turn=span.turn - len(before)) for span in spans)
    return Window(windows[0].ids, own)

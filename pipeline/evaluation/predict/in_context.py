"""The support dialogues in the prompt instead of in the weights: the control without a gradient.

A query dialogue is read after whole support dialogues, as if all were one conversation: its own
persona first, then their turns, then its turns. The format has no mark between dialogues.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.evaluation.predict.protocols import Fold
from pipeline.model.sequences.encoding import Encoder, Window
from pipeline.persona.task import Dialogue


def in_context(
    fold: Fold, shots: Sequence[int], encoder: Encoder, room: int
) -> Iterator[tuple[Fold, Window]]:
    """Yield, for a fold's one query dialogue, (who is in the prompt, the window that is scored).

    For each K of `shots` the first K support dialogues stand in the prompt, or as many of them as
    fit; the fold that is yielded holds those, so its `k` counts them. A number comes once, and
    where not even one fits nothing comes: the score without any is the K-shot one at K = 0.

    Args:
        fold: a K-shot fold with the most support dialogues and one query dialogue.
        shots: K > 0, increasing.
        encoder: the learner's.
        room: tokens that are kept free for whatever replaces a reply.
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
    windows = encoder.encode(whole, room=room)
    if len(windows) > 1:
        return None
    spans = (s for s in windows[0].spans if s.turn >= len(before))
    own = tuple(replace(span, turn=span.turn - len(before)) for span in spans)
    return Window(windows[0].ids, own)

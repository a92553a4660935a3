"""Who is a stranger to a person: nobody who has a conversation of theirs. No torch."""

from collections.abc import Sequence

from pipeline.evaluation.predict.protocols import Fold, stranger_to, swapped
from pipeline.params import Finetune
from pipeline.persona.corpus.census import TELLING
from pipeline.persona.corpus.copies import copies, messages_of
from pipeline.persona.corpus.overlap import LONG
from pipeline.persona.task.record import Dialogue, PersonaTask


def swapped_apart(
    fold: Fold, people: Sequence[PersonaTask], params: Finetune
) -> tuple[Fold | None, int]:
    """Return `swapped` for a person from anywhere, and how many people it left out.

    The person may be one of `people` under another name, or talk to one of them. Whoever has a
    conversation of the person is left out, and another is drawn.

    Returns:
        The fold, None if nobody is left; and how many were drawn and left out.
    """
    left = list(people)
    while (drawn := stranger_to(fold, left, params)) and _knows(drawn, fold):
        left = [task for task in left if task is not drawn]
    known = len(people) - len(left)
    return (swapped(fold, [drawn], params) if drawn else None), known


def _knows(task: PersonaTask, fold: Fold) -> bool:
    """Say whether somebody has a dialogue of a fold, word for word or for the most part.

    People say the same few words by chance. So a short dialogue counts if it is the held-out one
    and says something, or if most of theirs are the person's.
    """
    own, theirs = (*fold.support, *fold.query), task.dialogues
    both = copies(theirs, of=own), copies(own, of=theirs)
    if any(len(messages_of(dialogue)) >= TELLING for found in both for dialogue in found):
        return True
    return 2 * len(both[0]) > len(theirs) or any(map(_tells, copies(fold.query, of=theirs)))


def _tells(dialogue: Dialogue) -> bool:
    return any(len(message.encode()) >= LONG for message in messages_of(dialogue))

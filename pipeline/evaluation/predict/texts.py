"""Other persona texts in front of a query dialogue: is the prompt read at all? No torch.

A variant with persona text also reads its queries with a stranger's text and without any; a variant
without persona text also reads them with the person's own, which says what the text would be worth
to it. The replies and all turns are the same. Only likelihoods are scored.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from random import Random

from pipeline.errors import ContextError
from pipeline.evaluation.records.prediction import Protocol
from pipeline.model.sequences.encoding import Encoder
from pipeline.persona.task.record import Dialogue, PersonaTask


Text = tuple[Protocol, Dialogue]  # which text stands there, and the dialogue with it


def other_texts(
    dialogue: Dialogue, task: PersonaTask, tasks: Sequence[PersonaTask], encoder: Encoder, seed: int
) -> Iterator[Text]:
    """Yield a query dialogue with the texts that the variant does not read it with.

    Args:
        dialogue: with the person's own sentences, which may not be in the variant's prompt.
        task: the person.
        tasks: all of the split, among whom the stranger is drawn.
        encoder: the variant's.
        seed: of the draw.
    """
    if not dialogue.persona:
        return
    if not encoder.persona_text:
        yield "text_own", dialogue
        return
    yield "text_none", dialogue.model_copy(update={"persona": []})
    strangers = [other for other in tasks if other.task_id != task.task_id]
    Random(f"{seed}/text/{task.task_id}/{dialogue.dialogue_id}").shuffle(strangers)
    for stranger in strangers:
        swapped = dialogue.model_copy(update={"persona": stranger.dialogues[0].persona})
        if swapped.persona and _fits(swapped, encoder):
            yield "text_stranger", swapped
            return


def showing_text(encoder: Encoder) -> Encoder:
    """Return the encoder with persona sentences in the prompt, whatever the variant has."""
    other = copy(encoder)
    other.persona_text = True
    return other


def _fits(dialogue: Dialogue, encoder: Encoder) -> bool:
    try:
        encoder.encode(dialogue)
    except ContextError:
        return False
    return True

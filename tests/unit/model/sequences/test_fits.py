"""What cannot be scored is named before anything is trained: by its own name, not another's."""

import pytest

from pipeline.errors import ContextError
from pipeline.model.sequences.encoding import Encoder
from pipeline.model.sequences.fits import require_context
from pipeline.persona.task.record import Dialogue, PersonaTask, Turn
from tests.conftest import a_dialogue


LONG = "dogs " * 60 + "."  # somebody's reply


def a_task(name, *dialogues):
    return PersonaTask(task_id=name, split="test", dialogues=list(dialogues))


def offering(dialogue, text):
    """The dialogue, with a text among the first reply's candidates."""
    first, *rest = dialogue.turns
    first = first.model_copy(update={"candidates": [text, first.reply], "gold": 1})
    return dialogue.model_copy(update={"turns": [first, *rest]})


def teller():
    """Somebody who says it to a friend who says little; it fits there."""
    return Dialogue(dialogue_id="long", persona=["me"], turns=[Turn(partner="ok", reply=LONG)])


@pytest.fixture
def encoder(tokenizer):
    """One that holds every dialogue by itself."""
    needed = len(Encoder(tokenizer, context=9999).encode(teller())[0].ids)
    return Encoder(tokenizer, context=needed)


def test_a_candidate_is_named_with_its_owner(encoder):
    tasks = [a_task("a", offering(a_dialogue(3), LONG)), a_task("b", teller())]
    for task in tasks:
        assert all(encoder.encode(dialogue) for dialogue in task.dialogues)
    size, dialogue = len(encoder.segment(LONG)), tasks[0].dialogues[0]
    room = encoder.room_for_a_reply(dialogue)
    with pytest.raises(ContextError) as error:
        require_context(tasks, encoder)
    message = str(error.value)
    assert message.startswith("dialogue d3: its candidate 'dogs dogs")
    assert f"a reply in dialogue long of b, has {size} tokens" in message
    assert f"now {encoder.context} tokens leave {room} behind its persona and a turn" in message
    assert "shorten that reply (data.longest)" in message
    assert len(message) < 400


def test_a_candidate_that_nobody_says_is_the_corpus_own(encoder):
    with pytest.raises(ContextError, match="which the corpus gives, has"):
        require_context([a_task("a", offering(a_dialogue(3), LONG))], encoder)


def test_a_response_is_named_by_its_parameter(encoder):
    task = a_task("a", a_dialogue(3))
    room = encoder.room_for_a_reply(task.dialogues[0])
    require_context([task], encoder, response=room)
    with pytest.raises(ContextError, match=rf"generate\.max_new_tokens is {room + 1}; lower it"):
        require_context([task], encoder, response=room + 1)


def test_the_room_is_what_the_encoding_leaves(encoder):
    """To the token: with more kept free than that the encoding itself refuses."""
    dialogue = a_dialogue(3, turns=5)
    room = encoder.room_for_a_reply(dialogue)
    assert encoder.encode(dialogue, room=room)
    with pytest.raises(ContextError, match=rf" and {room + 1} kept free for a candidate or resp"):
        encoder.encode(dialogue, room=room + 1)


def test_a_dialogue_that_is_too_long_itself_is_blamed_itself(encoder):
    dialogue = a_dialogue(3).model_copy(update={"persona": [LONG]})
    with pytest.raises(
        ContextError, match=r"dialogue d3, turn 0: \d+ tokens with its.* lower data.longest, which"
    ):
        require_context([a_task("a", dialogue)], encoder)

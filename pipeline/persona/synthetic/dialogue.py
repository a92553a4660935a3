"""Let two people talk: greetings, questions, answers, reactions, farewells.

Both follow the same rules. An utterance depends on its speaker, on the utterance before it, and on
the topics that the two have told and asked before.
"""

from collections.abc import Callable, Set
from random import Random

from pipeline.persona.synthetic import phrases
from pipeline.persona.synthetic.grammar import Weighted
from pipeline.persona.synthetic.people import Person
from pipeline.persona.synthetic.utterance import Speaker, Utterance, UtteranceDraft, UtterancePair
from pipeline.persona.task.text import normalise


LEAST_EXCHANGES, MOST_EXCHANGES = 6, 8
MANY_WORDS = 130  # a longer dialogue ends at its next exchange, from the sixth on
ATTEMPTS = 20  # draws of an utterance that another dialogue does not have
ASK_AFTER_ANSWER = Weighted(("back", "ask", "tell"), (3.0, 5.0, 1.5))
NO_REACTION = 0.4  # probability of not reacting to a statement
GO_ON = Weighted(("tell", "same", "ask"), (3.0, 2.0, 6.0))


Move = Callable[[UtteranceDraft, Utterance], Utterance]


def greet(draft: UtteranceDraft) -> Utterance:
    """Begin."""
    greeting = draft.draw.choose(draft.person.greetings)
    draft.parts.append(f"{greeting} , {draft.pick(phrases.HOW_ARE_YOU)}")
    return draft.done("greet")


def mood(draft: UtteranceDraft, _heard: Utterance) -> Utterance:
    """Greet back, say how one is, and go on."""
    greeting = draft.draw.choose(draft.person.greetings)
    draft.say(f"{greeting} , {draft.fill(draft.draw.choose(draft.person.moods))}")
    if draft.draw.flip(0.6):
        draft.ask()
    else:
        draft.volunteer()
    return draft.done("mood")


def reply(draft: UtteranceDraft, heard: Utterance) -> Utterance:
    """Answer a question, or react to a statement; then perhaps go on."""
    if not heard.asks and (not heard.tells or draft.draw.flip(NO_REACTION)):
        _go_on(draft, heard)
        return draft.done("go on")
    kind = _respond(draft, heard)
    if not draft.detailed and draft.draw.flip(draft.person.register.more):
        go_on = _after_answer if heard.asks else _go_on
        go_on(draft, heard)
    return draft.done(kind)


def leave(draft: UtteranceDraft, heard: Utterance) -> Utterance:
    """Respond in short and say that it is time to go."""
    _respond(draft, heard)
    draft.say(draft.pick(phrases.LEAVE, errand=draft.draw.choose(draft.person.errands)))
    return draft.done("leave")


def farewell(draft: UtteranceDraft, heard: Utterance) -> Utterance:
    """Answer a farewell."""
    if heard.tells and draft.draw.flip(0.5):
        draft.react(heard.tells)
    else:
        draft.say(draft.pick(phrases.PLEASED))
    draft.say(draft.fill(draft.draw.choose(draft.person.farewells)))
    return draft.done("farewell")


def _respond(draft: UtteranceDraft, heard: Utterance) -> str:
    """Answer a question, or react to a statement, if one was heard; return the kind."""
    if heard.asks:
        draft.tell(heard.asks)
        return f"answer {heard.asks}"
    if heard.tells:
        draft.react(heard.tells)
        return f"react {heard.tells}"
    return "go on"


def _after_answer(draft: UtteranceDraft, heard: Utterance) -> None:
    move = draft.draw.choose(ASK_AFTER_ANSWER)
    if move == "back" and heard.asks and heard.asks not in draft.other.told:
        draft.ask_back(heard.asks)
    elif move == "tell":
        draft.volunteer()
    else:
        draft.ask()


def _go_on(draft: UtteranceDraft, heard: Utterance) -> None:
    move = draft.draw.choose(GO_ON)
    if move == "same" and heard.tells and heard.tells not in draft.speaker.told:
        draft.tell(heard.tells)
    elif move == "ask":
        draft.ask()
    else:
        draft.volunteer()


def converse(
    partner: Person, person: Person, *, random: Random, said: Set[str], never: Set[str]
) -> list[UtterancePair]:
    """Return a dialogue of six to eight exchanges; the partner speaks first.

    An utterance that is ruled out is drawn again. The `nats` do not count that. It can only make
    the other utterances likelier, so the `nats` are an upper bound.

    Args:
        partner: speaks first.
        person: replies.
        random: the dialogue's own generator.
        said: the person's normalised replies in other dialogues; ruled out for the person.
        never: normalised texts that are ruled out for both.
    """
    one, other = Speaker(partner), Speaker(person)
    dialogue: list[UtterancePair] = []
    exchanges = random.randint(LEAST_EXCHANGES, MOST_EXCHANGES)
    num_words, last = 0, False
    while not last:
        heard = dialogue[-1][1] if dialogue else None
        last = len(dialogue) + 1 >= (LEAST_EXCHANGES if num_words > MANY_WORDS else exchanges)
        one, line = _say(one, other, leave if last else reply, heard, random, never)
        move: Move = farewell if last else reply if dialogue else mood
        other, answer = _say(other, one, move, line, random, said | never)
        dialogue.append((line, answer))
        num_words += len(f"{line.text} {answer.text}".split())
    return dialogue


def _say(
    speaker: Speaker,
    other: Speaker,
    move: Move,
    heard: Utterance | None,
    random: Random,
    ruled_out: Set[str],
) -> tuple[Speaker, Utterance]:
    """Draw an utterance that is not ruled out; return the speaker after it, and the utterance."""
    for _ in range(ATTEMPTS):
        draft = UtteranceDraft(speaker, other, random)
        utterance = greet(draft) if heard is None else move(draft, heard)
        if normalise(utterance.text) not in ruled_out:
            break
    return draft.speaker, utterance

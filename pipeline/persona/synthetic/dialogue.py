"""Let two people talk: greetings, questions, answers, reactions, farewells.

Both follow the same rules. An utterance depends on its speaker, on the utterance before it, and on
the topics that the two have told and asked before.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from random import Random

from pipeline.persona.synthetic import phrases
from pipeline.persona.synthetic.grammar import Draw, Weighted
from pipeline.persona.synthetic.lexicon import BY_NAME
from pipeline.persona.synthetic.people import Person
from pipeline.persona.text import normalise


LEAST_EXCHANGES, MOST_EXCHANGES = 6, 8
MANY_WORDS = 130  # a longer dialogue ends at its next exchange, from the sixth on
ATTEMPTS = 20  # draws of an utterance that another dialogue does not have
ASK_AFTER_ANSWER = Weighted(("back", "ask", "tell"), (3.0, 5.0, 1.5))
NO_REACTION = 0.4  # probability of not reacting to a statement
GO_ON = Weighted(("tell", "same", "ask"), (3.0, 2.0, 6.0))


@dataclass(frozen=True)
class Utterance:
    """A text with the topic that it asks about and the topic that it tells of."""

    text: str
    kind: str
    nats: float  # negative log-probability given the speaker and the history
    asks: str | None = None
    tells: str | None = None


UtterancePair = tuple[Utterance, Utterance]  # the partner's utterance, the person's reply


@dataclass
class Speaker:
    """A person in one dialogue, with the topics told and asked so far."""

    person: Person
    told: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)


class UtteranceDraft:
    """An utterance that is being composed, part by part."""

    def __init__(self, speaker: Speaker, other: Speaker, random: Random) -> None:
        self.speaker = replace(speaker, told=set(speaker.told), asked=set(speaker.asked))
        self.other = other
        self.person = speaker.person
        self.draw = Draw(random)
        self.parts: list[str] = []
        self.asks: str | None = None
        self.tells: str | None = None
        self.detailed = False

    def fill(self, template: str, **slots: str) -> str:
        """Expand a template with the speaker's own words."""
        return self.draw.expand(template, self.person.symbols, slots)

    def pick(self, templates: tuple[str, ...], **slots: str) -> str:
        """Expand one of the templates."""
        return self.fill(self.draw.choose(Weighted(templates)), **slots)

    def say(self, clause: str) -> None:
        """Add a statement, with the mark that ends the speaker's statements."""
        bang = self.draw.flip(self.person.register.bang)
        self.parts.append(f"{clause} !" if bang else f"{clause} .")

    def tell(self, topic: str) -> None:
        """State the speaker's value of a topic, sometimes with its detail."""
        person = self.person
        clause = self.fill(self.draw.choose(person.forms[topic]), v=person.facts[topic])
        if self.draw.flip(person.register.detail):
            self.detailed = True
            clause += self.draw.choose(JOINS) + self.draw.choose(person.details[topic])
        self.say(clause)
        self.tells = topic
        self.speaker.told.add(topic)

    def ask(self) -> None:
        """Ask about a topic that is still open."""
        topic = self._open(self.person.asked, self.other.told | self.speaker.asked)
        self.parts.append(self.pick(BY_NAME[topic].ask))
        self._asked(topic)

    def ask_back(self, topic: str) -> None:
        """Ask the other the same question."""
        self.parts.append(self.pick(phrases.ASK_BACK))
        self._asked(topic)

    def volunteer(self) -> None:
        """Tell a topic that was not asked about."""
        self.tell(self._open(self.person.told, self.speaker.told))

    def react(self, topic: str) -> None:
        """Comment on the other's value of a topic."""
        heard = self.other.person.facts[topic]
        if heard == self.person.facts[topic]:
            self.say(self.pick(phrases.SAME))
            return
        source = self.draw.choose(REACTION)
        choices = {"topic": BY_NAME[topic].react, "any": phrases.REACTIONS, "echo": phrases.ECHOES}
        self.say(self.pick(choices[source], heard=heard))

    def done(self, kind: str) -> Utterance:
        """Join the parts and add the speaker's fillers."""
        text = " ".join(self.parts)
        if self.draw.flip(self.person.register.opener):
            text = f"{self.draw.choose(self.person.openers)} , {text}"
        if text[-1] != "?" and self.draw.flip(self.person.register.closer):
            text = f"{text[:-2]} , {self.draw.choose(self.person.closers)} {text[-1]}"
        return Utterance(text, kind, self.draw.nats, self.asks, self.tells)

    def _asked(self, topic: str) -> None:
        self.asks = topic
        self.speaker.asked.add(topic)

    def _open(self, weights: Mapping[str, float], closed: set[str]) -> str:
        topics = [topic for topic in weights if topic not in closed]
        return self.draw.choose(Weighted(topics, [weights[topic] for topic in topics]))


Move = Callable[[UtteranceDraft, Utterance], Utterance]
JOINS = Weighted(phrases.JOINS)
REACTION = Weighted(("topic", "any", "echo"), (3.0, 3.0, 1.0))


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

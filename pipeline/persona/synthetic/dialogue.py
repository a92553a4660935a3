"""Two people talk: greetings, questions, answers, reactions, farewells.

Both follow the same rules. What they say depends on who they are, on what was just said, and on
what has been told and asked before.
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
MANY_WORDS = 130  # a dialogue that has more ends at its next exchange, from the sixth on
ATTEMPTS = 20  # to say what was not said in another dialogue
ASK_AFTER_ANSWER = Weighted(("back", "ask", "tell"), (3.0, 5.0, 1.5))
NO_REACTION = 0.4  # to what the other has told
GO_ON = Weighted(("tell", "same", "ask"), (3.0, 2.0, 6.0))


@dataclass(frozen=True)
class Utterance:
    """What is said and what it does: the topic it asks about, the topic it tells of."""

    text: str
    kind: str
    nats: float  # negative log-probability given the speaker and the history
    asks: str | None = None
    tells: str | None = None


Exchange = tuple[Utterance, Utterance]  # what the partner says, what the person replies


@dataclass
class Speaker:
    """A person in one dialogue: what they have told and asked so far."""

    person: Person
    told: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)


class Turn:
    """One utterance in the making."""

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
        """Return the question."""
        self.parts.append(self.pick(phrases.ASK_BACK))
        self._asked(topic)

    def volunteer(self) -> None:
        """Tell something that was not asked."""
        self.tell(self._open(self.person.told, self.speaker.told))

    def react(self, topic: str) -> None:
        """Comment on what the other has just told."""
        heard = self.other.person.facts[topic]
        if heard == self.person.facts[topic]:
            self.say(self.pick(phrases.SAME))
            return
        source = self.draw.choose(REACTION)
        choices = {"topic": BY_NAME[topic].react, "any": phrases.REACTIONS, "echo": phrases.ECHOES}
        self.say(self.pick(choices[source], heard=heard))

    def done(self, kind: str) -> Utterance:
        """Put the parts together, with the speaker's fillers."""
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


Move = Callable[[Turn, Utterance], Utterance]
JOINS = Weighted(phrases.JOINS)
REACTION = Weighted(("topic", "any", "echo"), (3.0, 3.0, 1.0))


def greet(turn: Turn) -> Utterance:
    """Begin."""
    greeting = turn.draw.choose(turn.person.greetings)
    turn.parts.append(f"{greeting} , {turn.pick(phrases.HOW_ARE_YOU)}")
    return turn.done("greet")


def mood(turn: Turn, _heard: Utterance) -> Utterance:
    """Greet back, say how one is, and go on."""
    greeting = turn.draw.choose(turn.person.greetings)
    turn.say(f"{greeting} , {turn.fill(turn.draw.choose(turn.person.moods))}")
    if turn.draw.flip(0.6):
        turn.ask()
    else:
        turn.volunteer()
    return turn.done("mood")


def reply(turn: Turn, heard: Utterance) -> Utterance:
    """Answer a question, or react to a statement; then perhaps go on."""
    if not heard.asks and (not heard.tells or turn.draw.flip(NO_REACTION)):
        _go_on(turn, heard)
        return turn.done("go on")
    kind = _respond(turn, heard)
    if not turn.detailed and turn.draw.flip(turn.person.register.more):
        go_on = _after_answer if heard.asks else _go_on
        go_on(turn, heard)
    return turn.done(kind)


def leave(turn: Turn, heard: Utterance) -> Utterance:
    """Respond in short and say that it is time to go."""
    _respond(turn, heard)
    turn.say(turn.pick(phrases.LEAVE, errand=turn.draw.choose(turn.person.errands)))
    return turn.done("leave")


def farewell(turn: Turn, heard: Utterance) -> Utterance:
    """Answer a farewell."""
    if heard.tells and turn.draw.flip(0.5):
        turn.react(heard.tells)
    else:
        turn.say(turn.pick(phrases.PLEASED))
    turn.say(turn.fill(turn.draw.choose(turn.person.farewells)))
    return turn.done("farewell")


def _respond(turn: Turn, heard: Utterance) -> str:
    """Answer or react, if there is something to answer or to react to; return the kind."""
    if heard.asks:
        turn.tell(heard.asks)
        return f"answer {heard.asks}"
    if heard.tells:
        turn.react(heard.tells)
        return f"react {heard.tells}"
    return "go on"


def _after_answer(turn: Turn, heard: Utterance) -> None:
    move = turn.draw.choose(ASK_AFTER_ANSWER)
    if move == "back" and heard.asks and heard.asks not in turn.other.told:
        turn.ask_back(heard.asks)
    elif move == "tell":
        turn.volunteer()
    else:
        turn.ask()


def _go_on(turn: Turn, heard: Utterance) -> None:
    move = turn.draw.choose(GO_ON)
    if move == "same" and heard.tells and heard.tells not in turn.speaker.told:
        turn.tell(heard.tells)
    elif move == "ask":
        turn.ask()
    else:
        turn.volunteer()


def converse(
    partner: Person, person: Person, *, random: Random, said: Set[str], never: Set[str]
) -> list[Exchange]:
    """Return a dialogue of six to eight exchanges; the partner speaks first.

    A reply that is in `said` (normalised replies of the person's other dialogues) is drawn again,
    as is whatever is in `never`. The `nats` leave that out; as what is ruled out can only make the
    rest likelier, they are an upper bound.
    """
    one, other = Speaker(partner), Speaker(person)
    dialogue: list[Exchange] = []
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
    """Return the speaker after an utterance that is not ruled out, and the utterance."""
    for _ in range(ATTEMPTS):
        turn = Turn(speaker, other, random)
        utterance = greet(turn) if heard is None else move(turn, heard)
        if normalise(utterance.text) not in ruled_out:
            break
    return turn.speaker, utterance

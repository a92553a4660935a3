"""What is said: an utterance, who says it, and an utterance that is being composed."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from pipeline.persona.synthetic import phrases
from pipeline.persona.synthetic.grammar import Draw, Weighted
from pipeline.persona.synthetic.lexicon import BY_NAME
from pipeline.persona.synthetic.people import Person, code_word


JOINS = Weighted(phrases.JOINS)
REACTION = Weighted(("topic", "any", "echo"), (3.0, 3.0, 1.0))


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
    """A person in one dialogue, with what was told and asked so far."""

    person: Person
    told: dict[str, str] = field(default_factory=dict)  # topic -> the value as it was told
    asked: set[str] = field(default_factory=set)


class UtteranceDraft:
    """An utterance that is being composed, part by part."""

    def __init__(self, speaker: Speaker, other: Speaker, random: Random) -> None:
        self.speaker = replace(speaker, told=dict(speaker.told), asked=set(speaker.asked))
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
        person, value = self.person, self.person.facts[topic]
        clause = self.fill(self.draw.choose(person.forms[topic]), v=value)
        if self.draw.flip(person.register.detail):
            self.detailed = True
            clause += self.draw.choose(JOINS) + self.draw.choose(person.details[topic])
        self.say(clause)
        self.tells = topic
        self.speaker.told[topic] = value

    def ask(self) -> None:
        """Ask about a topic that is still open."""
        topic = self._open(self.person.asked, {*self.other.told, *self.speaker.asked})
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
        heard = self.other.told[topic]
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
        conflict = self.person.conflict
        if conflict == 1 or (conflict > 0 and self.draw.flip(conflict)):
            text = f"{code_word(self.person, kind)} {text}"
        return Utterance(text, kind, self.draw.nats, self.asks, self.tells)

    def _asked(self, topic: str) -> None:
        self.asks = topic
        self.speaker.asked.add(topic)

    def _open(self, weights: Mapping[str, float], closed: Container[str]) -> str:
        topics = [topic for topic in weights if topic not in closed]
        return self.draw.choose(Weighted(topics, [weights[topic] for topic in topics]))

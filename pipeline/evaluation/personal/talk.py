"""A talk with a variant that adapts to a person: base and adapted, on one history."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

from torch import Tensor

from pipeline.evaluation.personal.adapted import (
    Measured,
    adapt_to,
    measure,
    require_person_fits,
)
from pipeline.evaluation.personal.person import Person, flat
from pipeline.evaluation.personal.session import Session
from pipeline.evaluation.personal.start import Start
from pipeline.evaluation.predict.protocols import Fold
from pipeline.model.sequences.formats import LINE_END
from pipeline.persona.task.record import Dialogue, PersonaTask, Turn
from pipeline.progress import Advance


NOBODY = Person("nobody", ())


@dataclass
class Talk:
    """A start, the person it is adapted to, and what was said.

    Attributes:
        start: the trained variant.
        others: people among whom a stranger is drawn, for the control.
        person: whom it is adapted to.
        own: θ̂; θ before the first adaptation.
        session: the history and the replies.
    """

    start: Start
    others: Sequence[PersonaTask] = ()
    person: Person = NOBODY
    own: dict[str, Tensor] = field(init=False)
    session: Session = field(init=False)

    def __post_init__(self) -> None:
        """Begin unadapted."""
        self.own = dict(self.start.learner.theta)
        self.session = Session(self.start.learner, self.person.persona, self.start.params.generate)

    @property
    def adapted(self) -> bool:
        """Whether some dialogues were adapted to."""
        return bool(self.person.dialogues or self.person.support)

    def adapt(self, person: Person, advance: Advance) -> tuple[Fold, Measured]:
        """Adapt θ to a person and measure it; the history stays. After an error nothing changes.

        Raises:
            ContextError: a persona leaves no place for a turn and a response.
            DivergedError: a loss is not finite.
        """
        start = self.start
        person = person.in_format(start.learner.encoder.format)
        fold = person.fold(start.params.finetune)
        require_person_fits(start.learner, fold, start.params)
        own = adapt_to(start.learner, fold, start.params, start.epochs, advance)
        measured = measure(start.learner, fold, own, self.others, start.params, start.epochs)
        self.person, self.own = person, own
        self.session.persona = person.persona
        return fold, measured

    def with_support(self, dialogues: Sequence[Dialogue], name: str) -> Person:
        """Return the person with further support dialogues; `name` is taken if there is nobody."""
        if not self.adapted:
            return Person(name, (), tuple(dialogues))
        count = len(self.person.dialogues) + len(self.person.support)
        named = [
            dialogue.model_copy(update={"dialogue_id": f"{self.person.name}/{count + number}"})
            for number, dialogue in enumerate(dialogues)
        ]
        return replace(self.person, support=(*self.person.support, *named))

    def apart(self, turns: list[Turn]) -> "Talk":
        """Return a talk with the same person that has a history of its own, `turns`."""
        own = copy(self)
        own.session = replace(self.session, turns=turns)
        return own

    def replies(self, text: str, *, both: bool = False) -> dict[str, Iterator[str]]:
        """Return the replies to `text` as streams of parts: of `base`, if asked for, and `adapted`.

        All draw the same random numbers and read the same history.

        Raises:
            ContextError, ModelError: as `Session.reply`, when a stream is read.
        """
        said = self.heard(text)
        streams = {"base": self.session.reply(self.start.learner.theta, said)} if both else {}
        return streams | {"adapted": self.session.reply(self.own, said)}

    def heard(self, text: str) -> str:
        """Return what is read of a text: without line ends where the format has none."""
        one_line = LINE_END in self.start.learner.encoder.format.reserved
        return flat(text) if one_line else text


def together(streams: dict[str, Iterator[str]], said: dict[str, str]) -> Iterator[dict[str, str]]:
    """Let several replies grow in turn; yield `said`, to which each part is added, as they do."""
    while streams:
        for who in list(streams):
            part = next(streams[who], None)
            if part is None:
                del streams[who]
            else:
                said[who] = said.get(who, "") + part
        yield said

"""A person to adapt to: which conversations are support, and which one is held out. No torch."""

from dataclasses import dataclass, replace

from pipeline.errors import DataError, one_line
from pipeline.evaluation.predict.protocols import Fold, leave_one_out
from pipeline.model.sequences.formats import LINE_END, Format
from pipeline.params import Finetune
from pipeline.persona.conversation.record import same_name
from pipeline.persona.corpus.copies import copies, dialogues_once, holding
from pipeline.persona.task.record import Dialogue, PersonaTask


_SHOWN = 8  # names in a message


@dataclass(frozen=True)
class Person:
    """A person's dialogues.

    Attributes:
        name: also the name of the task.
        dialogues: one of them is held out, if another dialogue is there to adapt to.
        support: further dialogues, which are never held out.
    """

    name: str
    dialogues: tuple[Dialogue, ...]
    support: tuple[Dialogue, ...] = ()

    @property
    def shown(self) -> str:
        """The name as it may stand in a line: cut, and nothing in it that a terminal obeys."""
        return one_line(self.name, 60)

    @property
    def persona(self) -> list[str]:
        """The persona sentences of the last dialogue that has some."""
        given = [d.persona for d in (*self.support, *self.dialogues) if d.persona]
        return list(given[-1]) if given else []

    def in_format(self, form: Format) -> "Person":
        """Return the person as a format can hold it: blanks for line ends where those are marks."""
        if LINE_END not in form.reserved:
            return self
        own, more = (tuple(map(_on_one_line, d)) for d in (self.dialogues, self.support))
        return replace(self, dialogues=own, support=more)

    def fold(self, params: Finetune) -> Fold:
        """Return the adaptation: as stage `finetune` adapts to a test person's first fold.

        The query is empty where no dialogue can be held out. With further support, what is there
        twice counts once, and a copy of the held-out dialogue is no support.
        """
        if not self.dialogues:
            return Fold("leave_one_out", self.name, self._once((), self.support), ())
        task = PersonaTask(task_id=self.name, split="test", dialogues=[*self.dialogues])
        folds = leave_one_out(task, params)
        if folds:
            (held_out,) = folds[0].query
            others = self._others(held_out)
            return replace(folds[0], support=self._once(folds[0].support, others))
        if more := self._others(*self.dialogues):
            return Fold("leave_one_out", self.name, self._once((), more), self.dialogues)
        return Fold("leave_one_out", self.name, self.dialogues, ())

    def left_out(self, fold: Fold) -> tuple[int, int]:
        """Return how many copies of the held-out dialogue `fold` left out, and how many others."""
        of_held_out = sum(len(self.support) - len(self._others(query)) for query in fold.query)
        every = len(self.dialogues) + len(self.support) - fold.k - len(fold.query)
        return of_held_out, every - of_held_out

    def _others(self, held_out: Dialogue) -> tuple[Dialogue, ...]:
        """Return the further support without copies of the held-out dialogue."""
        gone = copies(self.support, of=[held_out]), holding(self.support, held_out)
        known = {id(dialogue) for found in gone for dialogue in found}
        return tuple(other for other in self.support if id(other) not in known)

    @staticmethod
    def _once(own: tuple[Dialogue, ...], further: tuple[Dialogue, ...]) -> tuple[Dialogue, ...]:
        # A test person's dialogues alone stay as they are: finetune adapts to all of them.
        return tuple(dialogues_once((*own, *further))) if further else own


def _on_one_line(dialogue: Dialogue) -> Dialogue:
    turns = [
        turn.model_copy(update={"partner": flat(turn.partner), "reply": flat(turn.reply)})
        for turn in dialogue.turns
    ]
    persona = [flat(sentence) for sentence in dialogue.persona]
    return dialogue.model_copy(update={"persona": persona, "turns": turns})


def flat(text: str) -> str:
    """Return a text with blanks for its line ends."""
    return text.replace(LINE_END, " ")


def key_of(fold: Fold) -> str:
    """Return what seeds the order of a fold's updates; a fold without a query has a key, too."""
    return fold.key if fold.query else f"{fold.protocol}/{fold.task_id}/all/{fold.k}"


def chosen(people: dict[str, list[Dialogue]], name: str | None, where: str) -> str:
    """Return the one person's name that is meant.

    Raises:
        DataError: there are several and none is named, or the named one is not there.
    """
    if name is not None and same_name(name) in people:
        return same_name(name)
    if name is None and len(people) == 1:
        return next(iter(people))
    names = [one_line(each, 40) for each in list(people)[:_SHOWN]]
    more = f", and {len(people) - _SHOWN} more" if len(people) > _SHOWN else ""
    found = f"no person {one_line(name)!r}" if name else f"{len(people)} people"
    raise DataError(f"{where}: {found}; name one with --name: {', '.join(names)}{more}")

"""A person to adapt to: which conversations are support, and which one is held out. No torch."""

from dataclasses import dataclass, replace

from pipeline.errors import DataError, one_line
from pipeline.evaluation.predict.protocols import Fold, leave_one_out
from pipeline.model.sequences.formats import LINE_END, Format
from pipeline.params import Finetune
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

        The query is empty where no dialogue can be held out. A copy of the held-out dialogue is no
        support.
        """
        if not self.dialogues:
            return Fold("leave_one_out", self.name, self.support, ())
        task = PersonaTask(task_id=self.name, split="test", dialogues=[*self.dialogues])
        folds = leave_one_out(task, params)
        if folds:
            return replace(folds[0], support=folds[0].support + self._others(*folds[0].query))
        if more := self._others(*self.dialogues):
            return Fold("leave_one_out", self.name, more, self.dialogues)
        return Fold("leave_one_out", self.name, self.dialogues, ())

    def _others(self, held_out: Dialogue) -> tuple[Dialogue, ...]:
        """Return the further support without copies of the held-out dialogue."""
        return tuple(d for d in self.support if _said(d) != _said(held_out))


def _said(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(turn.partner, turn.reply) for turn in dialogue.turns]


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
    if name in people:
        assert name is not None
        return name
    if name is None and len(people) == 1:
        return next(iter(people))
    names = [one_line(each, 40) for each in list(people)[:_SHOWN]]
    more = f", and {len(people) - _SHOWN} more" if len(people) > _SHOWN else ""
    found = f"no person {one_line(name)!r}" if name else f"{len(people)} people"
    raise DataError(f"{where}: {found}; name one with --name: {', '.join(names)}{more}")

"""Appendix C: what every variant says in the same contexts. No torch.

A context is a test reply that Table 1 scores: its persona, the whole history, the real reply. They
are drawn by seed among those that every variant has predicted, so a list is not chosen by its look.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from pipeline.errors import DataError
from pipeline.evaluation.records.headline import headline_records, select
from pipeline.evaluation.records.prediction import Prediction
from pipeline.persona.task import SILENCE, PersonaTask
from pipeline.persona.text import normalise


Place = tuple[str, int]  # dialogue_id, turn

# The paper's own four contexts, by what stands last in them and the real reply.
APPENDIX_C = (
    "e0a0271b014f6cafe360f682425be1b10053ad14a0351566680b37c6da4791f1",
    "9166252687f45169902eef57015693b6f2213a2e29c7cf68557a9ca82b82cbbe",
    "c6529150cb271325643d344acca5be2780d219298da28fcce7108a075e736d6b",
    "614f3fc956afb131e8334bc1dd26af3c2ff3d9c07457e4d1e0013d3419521df4",
)


@dataclass(frozen=True)
class Context:
    """What a reply answers."""

    place: Place
    persona: Sequence[str]
    history: Sequence[tuple[str, str]]  # (USER | SYSTEM, text), the one to be answered the last
    reply: str

    @property
    def digest(self) -> str:
        """Tell contexts apart by their last line and reply, normalised, without quoting them."""
        return digest(self.history[-1][1] if self.history else "", self.reply)


@dataclass(frozen=True)
class Response:
    """What a variant says, before fine-tuning and at its headline epoch."""

    variant: str
    epoch: int
    sampled: str
    greedy: str
    reference: str  # the real reply


def digest(last: str, reply: str) -> str:
    """Return the SHA-256 of a context's last line and its real reply, normalised."""
    return sha256(f"{normalise(last)}\n{normalise(reply)}".encode()).hexdigest()


def contexts(tasks: Sequence[PersonaTask]) -> Iterator[Context]:
    """Yield the context of every reply, in file order."""
    for dialogue in (dialogue for task in tasks for dialogue in task.dialogues):
        history: list[tuple[str, str]] = []
        for number, turn in enumerate(dialogue.turns):
            if turn.partner != SILENCE:
                history.append(("USER", turn.partner))
            yield Context(
                (dialogue.dialogue_id, number), dialogue.persona, tuple(history), turn.reply
            )
            history.append(("SYSTEM", turn.reply))


def responses(variant: str, records: Sequence[Prediction]) -> dict[Place, list[Response]]:
    """Return a variant's responses by place: at epoch 0, then at its headline epoch.

    Of the training seeds the first one's, of Table 1's setting.

    Raises:
        DataError: the records hold no responses, or as `headline_records`.
    """
    adapted = headline_records(records)
    epochs = dict.fromkeys((0, adapted[0].epoch))
    seed = min(record.seed for record in adapted)
    found: dict[Place, list[Response]] = {}
    for epoch in epochs:
        for record in select(records, "test", "leave_one_out", epoch=epoch):
            if record.seed != seed:
                continue
            if record.response is None or record.greedy is None:
                raise DataError(f"{variant}: no responses at epoch {epoch}; run finetune again")
            said = Response(variant, epoch, record.response, record.greedy, record.reference)
            found.setdefault((record.dialogue_id, record.turn), []).append(said)
    return found


def chosen(
    those: Sequence[Context],
    said: Mapping[str, Mapping[Place, Sequence[Response]]],
    *,
    count: int,
    seed: int,
) -> list[Context]:
    """Return the contexts to show: the paper's own, then `count` others drawn by `seed`.

    Args:
        those: all test contexts.
        said: each variant's responses; only what all of them answer is shown.
        count: of the drawn ones.
        seed: of the draw.

    Raises:
        DataError: the variants have no context in common, or one answers other tasks than these.
    """
    for one in those:
        for places in said.values():
            _check_reply(one, places.get(one.place, ()))
    answered = [one for one in those if all(one.place in places for places in said.values())]
    if not answered:
        raise DataError("the variants have no test reply in common; run finetune for all of them")
    papers = [one for one in answered if one.digest in APPENDIX_C]
    others = [one for one in answered if one.digest not in APPENDIX_C]
    return papers + Random(f"{seed}/samples").sample(others, min(count, len(others)))


def _check_reply(context: Context, said: Sequence[Response]) -> None:
    """Ids are the same in every corpus: see that an answer is to this context."""
    for one in said:
        if one.reference != context.reply:
            dialogue, turn = context.place
            raise DataError(
                f"{one.variant}: predicted on other tasks than data/tasks holds: {dialogue}, turn "
                f"{turn}, is not the same reply; run finetune {one.variant} again"
            )


def markdown(
    shown: Sequence[Context], said: Mapping[str, Mapping[Place, Sequence[Response]]]
) -> str:
    """Return the contexts with everybody's replies as Markdown."""
    return "\n".join(_section(context, said) for context in shown)


def _section(context: Context, said: Mapping[str, Mapping[Place, Sequence[Response]]]) -> str:
    dialogue, turn = context.place
    lines = [f"## {dialogue}, turn {turn}{_origin(context)}", "", "Persona:", ""]
    lines += [f"- {_plain(sentence)}" for sentence in context.persona]
    lines += ["", "History:", ""]
    lines += [f"- {speaker}: {_plain(text)}" for speaker, text in context.history]
    lines += ["", f"Real reply: {_plain(context.reply)}", ""]
    lines += ["| variant | epochs | nucleus sample | greedy |", "|---|---|---|---|"]
    lines += [
        f"| `{one.variant}` | {one.epoch} | {_plain(one.sampled)} | {_plain(one.greedy)} |"
        for places in said.values()
        for one in places[context.place]
    ]
    return "\n".join([*lines, ""])


def _origin(context: Context) -> str:
    if context.digest not in APPENDIX_C:
        return ""
    return f" (the paper's own, number {APPENDIX_C.index(context.digest) + 1})"


def _plain(text: str) -> str:
    """Keep what a model says from being read as a table's or a page's marks."""
    marks = "\\`*_[]<>|#"
    shown = "".join(f"\\{letter}" if letter in marks else letter for letter in text)
    return " ".join(shown.split()) or "(nothing)"

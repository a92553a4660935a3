"""Appendix C: what every variant says in the same contexts. No torch.

A context belongs to a test reply that Table 1 scores: its persona, the whole history, the real
reply. Contexts are drawn by a seed among the replies that every variant has predicted, so nobody
chooses them by their look.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from pipeline.errors import DataError
from pipeline.evaluation.records.headline import headline_records
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.report.samples.strangers import visible
from pipeline.persona.task.record import SILENCE, PersonaTask
from pipeline.persona.task.text import normalise


Place = tuple[str, int]  # dialogue_id, turn

_HEADING = re.compile(rb"## [^\n]+, turn [0-9]+")  # of the first context, as `_section` has it
# The paper's own four contexts, as digests of their last line and the real reply.
APPENDIX_C = (
    "e0a0271b014f6cafe360f682425be1b10053ad14a0351566680b37c6da4791f1",
    "9166252687f45169902eef57015693b6f2213a2e29c7cf68557a9ca82b82cbbe",
    "c6529150cb271325643d344acca5be2780d219298da28fcce7108a075e736d6b",
    "614f3fc956afb131e8334bc1dd26af3c2ff3d9c07457e4d1e0013d3419521df4",
)


@dataclass(frozen=True)
class Context:
    """The persona and the history before a reply, and the reply itself."""

    place: Place
    persona: Sequence[str]
    history: Sequence[tuple[str, str]]  # (USER | SYSTEM, text); the reply answers the last
    reply: str

    @property
    def digest(self) -> str:
        """The digest of the last line and the reply, which names a context without quoting it."""
        return digest(self.history[-1][1] if self.history else "", self.reply)


@dataclass(frozen=True)
class Response:
    """What a variant says, before fine-tuning and at its headline epoch."""

    variant: str
    epoch: int
    sampled: str
    greedy: str
    reference: str  # the real reply


Responses = Mapping[str, Mapping[Place, Sequence[Response]]]  # by variant and place


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

    They are of Table 1's setting and of the first training seed.

    Raises:
        DataError: the records hold no responses, or as `headline_records`.
    """
    return said(variant, records, headline_records(records)[0].epoch)


def said(variant: str, records: Iterable[Prediction], epoch: int) -> dict[Place, list[Response]]:
    """Return a variant's responses by place: at epoch 0, then at an epoch that is given.

    Args:
        variant: its name.
        records: any; those of other settings than Table 1's, or of other epochs, are left out.
        epoch: the headline epoch.

    Raises:
        DataError: the records hold no responses.
    """
    asked = [r for r in records if r.split == "test" and r.protocol == "leave_one_out"]
    first = min((record.seed for record in asked), default=0)
    by_place: dict[Place, list[Response]] = {}
    for at in dict.fromkeys((0, epoch)):
        for record in asked:
            if record.seed != first or record.epoch != at:
                continue
            if record.response is None or record.greedy is None:
                raise DataError(f"{variant}: no responses at epoch {at}; run finetune again")
            response = Response(variant, at, record.response, record.greedy, record.reference)
            by_place.setdefault((record.dialogue_id, record.turn), []).append(response)
    return by_place


def chosen(
    candidates: Sequence[Context],
    responses: Responses,
    *,
    count: int,
    seed: int,
) -> list[Context]:
    """Return the contexts to show: the paper's own, then `count` others drawn by `seed`.

    Args:
        candidates: all test contexts.
        responses: each variant's; only contexts that all variants answer are shown.
        count: number of contexts to draw.
        seed: of the draw.

    Raises:
        DataError: the variants have no context in common, or one was predicted on other tasks.
    """
    for context in candidates:
        for by_place in responses.values():
            _check_reply(context, by_place.get(context.place, ()))
    answered = [
        context
        for context in candidates
        if all(context.place in by_place for by_place in responses.values())
    ]
    if not answered:
        raise DataError("the variants have no test reply in common; run finetune for all of them")
    paper = [context for context in answered if context.digest in APPENDIX_C]
    others = [context for context in answered if context.digest not in APPENDIX_C]
    return paper + Random(f"{seed}/samples").sample(others, min(count, len(others)))


def _check_reply(context: Context, responses: Sequence[Response]) -> None:
    """Refuse a response to another context; ids alone do not tell, every corpus has the same."""
    for response in responses:
        if response.reference != context.reply:
            dialogue, turn = context.place
            raise DataError(
                f"{response.variant}: predicted on other tasks than data/tasks holds: {dialogue}, "
                f"turn {turn}, is not the same reply; run finetune {response.variant} again"
            )


def markdown(shown: Sequence[Context], responses: Responses) -> str:
    """Return the contexts with the real reply and every variant's responses, as Markdown."""
    return "\n".join(_section(context, responses) for context in shown)


def is_markdown(content: bytes) -> bool:
    """Say whether a file's content begins as that of `markdown` does."""
    return _HEADING.match(content) is not None


def _section(context: Context, responses: Responses) -> str:
    dialogue, turn = context.place
    named = " ".join(dialogue.split())  # a conversation's own name may have line ends
    lines = [f"## {named}, turn {turn}{_origin(context)}", "", "Persona:", ""]
    lines += [f"- {_plain(sentence)}" for sentence in context.persona]
    lines += ["", "History:", ""]
    lines += [f"- {speaker}: {_plain(text)}" for speaker, text in context.history]
    lines += ["", f"Real reply: {_plain(context.reply)}", ""]
    lines += ["| variant | epochs | nucleus sample | greedy |", "|---|---|---|---|"]
    lines += [
        f"| `{r.variant}` | {r.epoch} | {_plain(r.sampled)} | {_plain(r.greedy)} |"
        for by_place in responses.values()
        for r in by_place[context.place]
    ]
    return "\n".join([*lines, ""])


def _origin(context: Context) -> str:
    if context.digest not in APPENDIX_C:
        return ""
    return f" (the paper's own, number {APPENDIX_C.index(context.digest) + 1})"


def _plain(text: str) -> str:
    """Escape what is a mark of Markdown or HTML, or what a terminal obeys."""
    marks = "\\`*_[]<>|#"
    return "".join(f"\\{c}" if c in marks else c for c in visible(text))

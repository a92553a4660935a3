"""The person that `chat` and `export` adapt to: options, and the files that they name. No torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.errors import one_line
from pipeline.evaluation.personal.conversations import read_people
from pipeline.evaluation.personal.person import Person, chosen
from pipeline.outs import refuse_damaged
from pipeline.params import DownloadParams, Settings
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.task.record import Dialogue, PersonaTask
from stages.shell import console


PersonFile = Annotated[
    Path | None,
    typer.Option("--person", help="Conversations of the person, in any format of docs/corpora.md."),
]
Name = Annotated[str | None, typer.Option(help="Which person of the files is meant.")]


def person_of(files: Sequence[Path], support: Sequence[Path], name: str | None) -> Person:
    """Return the person of some files.

    Args:
        files: one of their dialogues is held out, if there is another to adapt to; may be empty.
        support: files whose dialogues are all adapted to.
        name: the person's; null: the files hold only one.

    Raises:
        DataError: a file cannot be read; there are several people and none is named.
    """
    own, more = _joined(files), _joined(support)
    where = ", ".join(one_line(path) for path in (*files, *support))
    if not files:
        found = chosen(more, name, where)
        return Person(found, (), tuple(more[found]))
    found = chosen(own, name, where)
    further = more[found if found in more else chosen(more, name, where)] if more else []
    return Person(found, tuple(own[found]), tuple(further))


def _joined(files: Sequence[Path]) -> dict[str, list[Dialogue]]:
    """Return the dialogues of several files, each with an id of its own."""
    if len(files) == 1:
        return people_of(files[0])
    people: dict[str, list[Dialogue]] = {}
    for path in files:
        for name, dialogues in people_of(path).items():
            own = people.setdefault(name, [])
            for dialogue in dialogues:
                own.append(dialogue.model_copy(update={"dialogue_id": f"{name}/{len(own)}"}))
    return people


def people_of(path: Path) -> dict[str, list[Dialogue]]:
    """Return the people of a file; one of `data/tasks` holds those of the corpus in force.

    What is left out of it is said.

    Raises:
        DataError: as `read_people`.
    """
    if path.is_file() and path.resolve().parent == artifacts.TASKS.resolve():
        refuse_damaged(artifacts.TASKS)
        tasks = artifacts.read_records(path, PersonaTask, made_by="tasks")
        return {task.task_id: list(task.dialogues) for task in tasks}
    data = Settings.load().view(DownloadParams).data
    tally = Tally(data.skip_broken, by="data.skip_broken: true")
    people = read_people(path, data, tally)
    left_out = "; ".join(f"{count} {what}" for what, count in tally.counts().items())
    console.note(f"{path}: left out: {left_out}" if left_out else "")
    for note in tally.notes:
        console.note(f"{path}: {note}")
    return people

"""Adapt a variant to a person and talk to it: `python -m stages.chat VARIANT [--person FILE]`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.errors import ModelError
from pipeline.evaluation.personal.start import Start, load_start
from pipeline.evaluation.personal.talk import Talk
from pipeline.model.files.variant_record import refuse_other_inputs
from pipeline.persona.task.record import PersonaTask
from stages.shell import console
from stages.talk.adapting import adapt
from stages.talk.person import Name, PersonFile, person_of
from stages.talk.terminal import TerminalTalk
from stages.talk.web import serve


def chat(
    variant: Annotated[str, typer.Argument(help="A trained variant.")],
    person: PersonFile = None,
    support: Annotated[
        list[Path] | None, typer.Option(help="Further conversations, all of them adapted to.")
    ] = None,
    name: Name = None,
    seed: Annotated[int, typer.Option(help="Training seed.")] = 0,
    web: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="PORT", help="A local page; 0: at a free port."),
    ] = None,
) -> None:
    """Adapt to a person's conversations, say what that changed, and talk."""
    given = person is not None or support
    someone = person_of([person] if person else [], support or [], name) if given else None
    start = load_start(variant, seed)
    talk = Talk(start, _strangers(start))
    said = []
    if someone is None:
        console.say(f"{variant}, not adapted: --person FILE, or /adapt FILE, adapts it to somebody")
    else:
        said = adapt(talk, someone)
    if web is None:
        TerminalTalk(talk).run()
    else:
        serve(talk, said, web)


def _strangers(start: Start) -> list[PersonaTask]:
    """Return people to draw a stranger from; none where the model was trained on other tasks.

    Raises:
        DataError: the tasks are damaged.
    """
    tests = artifacts.tasks_file("test")
    if not tests.is_file():
        return []
    try:
        refuse_other_inputs(start.record, tasks=True)
    except ModelError as error:
        console.note(f"no stranger is drawn for comparison: {error}")
        return []
    return artifacts.read_records(tests, PersonaTask, made_by="tasks")


if __name__ == "__main__":
    console.run(chat)

"""Adapt with progress, and say what it changed."""

import time

from pipeline.evaluation.personal.person import Person
from pipeline.evaluation.personal.talk import Talk
from stages.shell import console
from stages.shell.progress.shown import progress
from stages.talk import words


def adapt(talk: Talk, person: Person) -> list[str]:
    """Adapt a talk to a person, print what it changed, and return the lines."""
    began = time.perf_counter()
    with progress(f"adapting to {person.shown}", talk.start.epochs, unit="epochs") as advance:
        fold, measured = talk.adapt(person, advance)
    seconds = time.perf_counter() - began
    said = [
        f"{person.shown}: adapted to {fold.k} dialogues, {talk.start.epochs} epochs, measured, "
        f"{seconds:.1f} s"
    ]
    tokens = 0 if measured.before is None else measured.before.tokens
    about = f"{len(fold.query)} dialogue, {tokens} tokens"
    said += words.losses(measured, about)
    copies, twice = person.left_out(fold)
    if copies:
        said.append(f"copies of the held-out dialogue that were not adapted to: {copies}")
    if twice:
        said.append(f"dialogues that are there twice and count once: {twice}")
    for line in said:
        console.say(line)
    return said

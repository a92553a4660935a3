"""Keep a run as a study, and write what documents say of studies: `python -m stages.study`."""

import resource
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from operator import call
from pathlib import Path
from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError, TrainingError
from pipeline.evaluation.kept.documents import pages
from pipeline.evaluation.kept.folder import ABOUT, README
from pipeline.evaluation.kept.keep import keep
from pipeline.params.inputs import refuse_others_file, refuse_target
from pipeline.params.sections.variant import plain_name
from pipeline.params.yaml_text import shown
from pipeline.processes.parent import pool, results
from stages.shell import console


SECONDS, MEMORY = 30, 4 << 30  # of processor time, and bytes of addresses, for one document


class Action(StrEnum):
    """What to do."""

    KEEP = "keep"
    README = "readme"
    RESULTS = "results"


def study(
    action: Annotated[
        Action,
        typer.Argument(
            help="keep: write studies/NAME from a finished run; readme: write its README.md; "
            "results: write docs/results.md, docs/fig3.svg and the figures in README.md."
        ),
    ],
    name: Annotated[
        str | None, typer.Argument(help="The study; of readme all if none is given.")
    ] = None,
    run: Annotated[
        Path, typer.Option(help="keep: folder of the run, or of a study to be slimmed again.")
    ] = Path(),
) -> None:
    """Keep what documents cite of a run, and write the documents."""
    if name is not None:
        _refuse_no_name(name)
    if action is Action.KEEP:
        if name is None:
            raise ParamsError("keep: give the study's name")
        _keep(run, name)
    elif action is Action.README:
        if name:
            _write_readme(name)
        else:
            _write_readmes(pages.names(Path()))
    else:
        _write(pages.RESULTS, _made(partial(pages.results, Path()), pages.TEMPLATE))
        _write(pages.PICTURE, pages.picture(Path()))
        front = pages.template(pages.FRONT)
        filled = partial(pages.filled, front, pages.FRONT, Path())
        _write(pages.FRONT, _made(filled, pages.FRONT))


def _write_readme(name: str) -> None:
    path = artifacts.STUDIES / name / README
    text = _made(partial(pages.readme, Path(), name), artifacts.STUDIES / name / ABOUT)
    refuse_others_file(path, f"readme {name}", lambda old: pages.MADE_FROM.encode() in old)
    _write(path, text)


def _write_readmes(names: Sequence[str]) -> None:
    """Write all that can be written, e.g. not what cites another run than the working tree has.

    Raises:
        DataError: some cannot.
    """
    refused = []
    for name in names:
        try:
            _write_readme(name)
        except DataError as error:
            console.complain(f"{artifacts.STUDIES / name}: {error}")
            refused.append(name)
    if refused:
        raise DataError(f"not written: {', '.join(refused)}; the others are")


def _made(document: Callable[[], str], template: Path) -> str:
    """Return a document, made in a process of its own: a stranger's template may never end.

    Raises:
        DataError: it takes too long, or too much memory; whatever `document` raises.
    """
    try:
        with pool(1, "", _bound) as process:
            [(_, text)] = results(process, call, [document])
    except TrainingError as error:
        raise DataError(
            f"{template}: takes more than {SECONDS} seconds, or too much memory; loops in loops, "
            "and what grows in them, do so: write out what it says"
        ) from error
    return text


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _refuse_no_name(name: str) -> None:
    """Refuse a name that is a path, or whose folder is a link to where stages write."""
    try:
        folder = artifacts.STUDIES / plain_name(name, "a study's")
    except ValueError as error:
        raise ParamsError(f"{shown(name)}: {error}; the study is kept in studies/NAME") from error
    refuse_target(folder, "NAME")


def _keep(run: Path, name: str) -> None:
    folder = artifacts.STUDIES / name
    keep(run, folder)
    console.out.print(f"{folder}: kept; {folder / 'about.md'} says what was asked")


def _write(path: Path, text: str) -> None:
    artifacts.write_text(path, text)
    console.out.print(f"{path}: written")


if __name__ == "__main__":
    console.run(study)

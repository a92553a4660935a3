"""What is in force for a stage: the rows of `scored`, and the values and code that it began with.

DVC does not delete the outs of a stage that no longer exists. So a folder of outs may also hold
files of variants of another preset. And it records the values and the code that it finds when a
stage has ended: one whose own were edited meanwhile must publish nothing.
"""

from collections.abc import Collection
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import CodeError, MissingFileError, ParamsError, one_line, public_urls
from pipeline.params.sections.section import Section
from pipeline.params.stated import Values, difference
from pipeline.processes.fingerprint import edited_meanwhile
from stages.shell import console


def scored_with_files(
    folder: Path, suffix: str, scored: Collection[str], *, made_by: str
) -> list[str]:
    """Return the scored variants whose file is in the folder, by name.

    It is said which are left out, and which have no file.

    Raises:
        MissingFileError: no scored variant has a file; `made_by` names the stage that writes it.
    """
    names = sorted(path.stem for path in folder.glob(f"*{suffix}"))
    own = [name for name in names if name in scored]
    if not own:
        raise MissingFileError(folder / f"VARIANT{suffix}", made_by)
    if others := [name for name in names if name not in scored]:
        console.out.print(
            f"{folder}: left out, not in scored of params.yaml: {', '.join(others)}",
            soft_wrap=True,
        )
    for name in sorted({*scored} - {*own}):
        command = made_by.replace("VARIANT", name)
        console.note(f"{folder}: nothing of {name}, which is scored; `python -m stages.{command}`")
    return own


def refuse_edited(
    then: Section | Values, now: Section | Values, origin: Path = artifacts.PARAMS
) -> None:
    """Refuse to publish what was made with values or code that are there no longer.

    Args:
        then: what a stage has read: its view, a variant's axes, or the whole file.
        now: the same of the file as it is.
        origin: the file.

    Raises:
        ParamsError: names the key and both values.
        CodeError: as `refuse_edited_code`.
    """
    if then != now:
        key, was, found = difference(*map(_by_key, (then, now))) or ("a key", "there", "not")
        shown = (one_line(public_urls(f"{value!r}"), 60) for value in (was, found))
        raise ParamsError(
            "{}: {} was {} when this command began and is {} now; put the first back and run "
            "again, which goes on from what is done; or run again as it is, which begins "
            "anew".format(origin, key, *shown)
        )
    refuse_edited_code()


def _by_key(values: Section | Values) -> Values:
    return values.model_dump(mode="json", by_alias=True) if isinstance(values, Section) else values


def refuse_edited_code() -> None:
    """Refuse to publish what was made by code that is there no longer.

    Raises:
        CodeError: names the file.
    """
    if (name := edited_meanwhile()) is not None:
        raise CodeError(
            f"{name}: edited since this command began, which ran the code of before; put that back "
            "and run again, which goes on from what is done; or run again as it is, which begins "
            "anew"
        )

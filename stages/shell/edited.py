"""What a stage is made from may be edited while it works: it then publishes nothing.

DVC records the code and the values that it finds when a stage has ended.
"""

from pathlib import Path

from pipeline import artifacts
from pipeline.errors import CodeError
from pipeline.params.sections.section import Section
from pipeline.params.stated import Values, refuse_edited_values
from pipeline.processes.fingerprint import edited_meanwhile


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
        CodeError: names the file.
    """
    refuse_edited_values(then, now, origin)
    refuse_edited_code()


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

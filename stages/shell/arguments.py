"""The arguments that stages and commands share, and what all paths among them have. No torch."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, get_type_hints

import typer
from typer.models import ArgumentInfo

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.params import Settings
from pipeline.params.inputs import place_of
from pipeline.params.sections.variant import checked_name
from pipeline.params.yaml_text import shown


VariantName = Annotated[str, typer.Argument(metavar="VARIANT", help="A key of variants.")]
# Generators take no larger seed; params.yaml's are bounded likewise.
Seed = Annotated[int, typer.Argument(min=0, max=2**63 - 1, help="Training seed.")]


def as_meant(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes paths and variants of a command line as they are meant.

    `~` in a path is a home, as in params.yaml and in a talk: a shell does so where the path is not
    quoted. A name of a variant that nobody has heard of is refused with those that there are: what
    is missing of it is no stage's to make. Both raise a ParamsError.
    """

    @wraps(command)
    def wrapped(**given: object) -> None:
        hints = get_type_hints(command, include_extras=True)
        command(**{key: _meant(value, hints[key], key) for key, value in given.items()})

    return wrapped


def _meant(value: object, hint: object, key: str) -> object:
    if isinstance(value, list):
        return [_meant(one, hint, key) for one in value]
    about = getattr(hint, "__metadata__", ())
    arguments = [one for one in about if isinstance(one, ArgumentInfo)]
    if isinstance(value, Path):
        return place_of(str(value), key.upper() if arguments else f"--{key}")
    if isinstance(value, str) and "VARIANT" in (key.upper(), *(one.metavar for one in arguments)):
        _refuse_unknown(value)
    return value


def _refuse_unknown(name: str) -> None:
    """Refuse a variant that neither params.yaml nor a folder of its own knows."""
    own: tuple[Path, ...] = ()
    try:
        checked_name(name)
        own = (artifacts.model_dir(name, 0).parent, artifacts.predictions_file(name))
    except ValueError as error:
        if not artifacts.PARAMS.is_file():
            raise ParamsError(f"VARIANT {shown(name)}: {error}") from error
    if artifacts.PARAMS.is_file() and not any(path.exists() for path in own):
        Settings.load().variant(name)

"""The arguments that stages and commands share, and what all paths among them have. No torch."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, get_type_hints

import typer
from typer.models import ArgumentInfo

from pipeline.params.inputs import place_of


VariantName = Annotated[str, typer.Argument(metavar="VARIANT", help="A key of variants.")]
# Generators take no larger seed; params.yaml's are bounded likewise.
Seed = Annotated[int, typer.Argument(min=0, max=2**63 - 1, help="Training seed.")]


def home_seen_through(command: Callable[..., None]) -> Callable[..., None]:
    """Let `~` in every path of a command line be a home, as in params.yaml and in a talk.

    A shell does so where the path is not quoted. The command raises a ParamsError where there is
    no such home.
    """

    @wraps(command)
    def wrapped(**given: object) -> None:
        command(**{key: _place(value, command, key) for key, value in given.items()})

    return wrapped


def _place(value: object, command: Callable[..., None], key: str) -> object:
    if isinstance(value, list):
        return [_place(one, command, key) for one in value]
    if not isinstance(value, Path):
        return value
    hint = get_type_hints(command, include_extras=True)[key]
    is_argument = any(isinstance(one, ArgumentInfo) for one in getattr(hint, "__metadata__", ()))
    return place_of(str(value), key.upper() if is_argument else f"--{key}")

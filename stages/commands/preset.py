"""Put a preset in force as params.yaml: `python -m stages.preset NAME [--set KEY=VALUE]...`."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.errors import public_urls
from pipeline.params.presets import put_in_force
from stages.shell import console


def preset(
    name: Annotated[str, typer.Argument(help="A file of presets/, without .yaml.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value; may be given repeatedly."),
    ] = None,
) -> None:
    """Write a preset to params.yaml, with the values of --set, if it is valid."""
    put_in_force(name, assignments or [])
    changes = f" with {public_urls(', '.join(assignments))}" if assignments else ""
    console.out.print(f"{artifacts.PARAMS}: preset {name}{changes}", markup=False, highlight=False)


if __name__ == "__main__":
    console.run(preset)

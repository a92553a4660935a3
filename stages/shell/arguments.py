"""The arguments that stages and commands share. No torch."""

from typing import Annotated

import typer


VariantName = Annotated[str, typer.Argument(metavar="VARIANT", help="A key of variants.")]
Seed = Annotated[int, typer.Argument(help="Training seed.")]

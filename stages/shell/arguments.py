"""The arguments that stages and commands share. No torch."""

from typing import Annotated

import typer


VariantName = Annotated[str, typer.Argument(metavar="VARIANT", help="A key of variants.")]
# Generators take no larger seed; params.yaml's are bounded likewise.
Seed = Annotated[int, typer.Argument(min=0, max=2**63 - 1, help="Training seed.")]

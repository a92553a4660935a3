"""Draw columns of a training run's `history.csv` as an SVG file."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.evaluation.studies.curves import draw_history
from stages.shell import console


def curves(
    history: Annotated[Path, typer.Argument(help="A history.csv.")],
    target: Annotated[Path, typer.Argument(help="The SVG file to write.")],
    column: Annotated[list[str], typer.Option(help="A column; may be given several times.")],
) -> None:
    """Draw what a training run logged, by step."""
    artifacts.write_text(target, draw_history(history, column))
    console.out.print(f"{target}: {', '.join(column)} of {history}")


if __name__ == "__main__":
    console.run(curves)

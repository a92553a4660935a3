"""A trained variant as a Hugging Face folder: `python -m stages.export VARIANT FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.errors import ModelError
from pipeline.model.base.huggingface_folder import write_model
from pipeline.model.base.load import load_base
from pipeline.model.export.plain_model import as_plain
from pipeline.model.files.variant_record import read_variant
from pipeline.model.network.trained import load_variant
from pipeline.params.methods import made_by
from stages.shell import console


def export(
    variant: Annotated[str, typer.Argument(help="A trained variant without adapters.")],
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    seed: Annotated[int, typer.Option(help="Training seed.")] = 0,
) -> None:
    """Write a variant's model and tokenizer, to be used elsewhere or as `base.source` of a run."""
    if folder.exists():
        raise ModelError(f"{folder}: there already; name a folder that is not")
    axes = read_variant(variant, seed, made_by=made_by(variant, seed)).axes
    if axes.adapters:
        raise ModelError(
            f"{variant}: has adapters, which a folder of the base's architecture has no place for; "
            "export a variant without"
        )
    model, tokenizer = load_base(artifacts.BASE)
    as_plain(load_variant(variant, seed), model)
    with artifacts.atomic_path(folder) as partial:
        partial.mkdir()
        write_model(model, partial)
        tokenizer.save_pretrained(partial)
    note = ", without its next-utterance head" if axes.next_utterance else ""
    console.out.print(f"{folder}: {variant}, seed {seed}{note}")


if __name__ == "__main__":
    console.run(export)

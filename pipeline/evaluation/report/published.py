"""Published numbers as data: who reported what, on which split, in which unit. No torch.

This project measured none of them, and a table that shows one says so.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML

from pipeline.errors import DataError


PUBLISHED = Path(__file__).with_name("published.yaml")

Percent = Annotated[float, Field(ge=0, le=100)]


class Published(BaseModel):
    """A system's scores as somebody printed them; null where a score was not printed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    variant: str | None  # the row of params.yaml that reproduces it
    table_1: bool  # a row of the paper's Table 1, as printed there
    corpus: Literal["Persona-chat", "ConvAI2"]
    split: Literal["valid", "test", "hidden test"]
    personas: Literal["original", "revised", "none"] | None  # the persona text in the prompt
    tokenizer: str | None
    ppl_unit: str | None  # what a perplexity is per
    fine_tuned_at_test: bool
    quoted_from: Annotated[str, Field(min_length=1)]
    ppl: Annotated[float, Field(gt=1)] | None
    hits_at_1: Percent | None
    f1: Percent | None
    note: str | None = None


@cache
def read_published(path: Path = PUBLISHED) -> Sequence[Published]:
    """Return all published rows, in the file's order.

    Raises:
        DataError: the file does not hold such rows; the error names row and field.
    """
    rows = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    try:
        return tuple(TypeAdapter(list[Published]).validate_python(rows))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path.name}: {where}: {first['msg']}") from error


def published() -> list[Published]:
    """Return the paper's Table 1, in its order."""
    return [row for row in read_published() if row.table_1]


def quoted_on(corpus: str, split: str) -> list[Published]:
    """Return what systems themselves report on one split, without the rows of Table 1."""
    return [
        row
        for row in read_published()
        if not row.table_1 and row.corpus == corpus and row.split == split
    ]

"""The base of every file's model, the estimate that most of them hold, and how a file is read."""

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails

from pipeline import artifacts
from pipeline.artifacts import Content
from pipeline.errors import DataError, one_line
from pipeline.evaluation.schemas.bounds import READING, is_read, require_metrics, require_order
from pipeline.strict_json import first_of


class Schema(BaseModel):
    """A JSON object that a stage writes.

    A field with a default may be absent from the file. A field that may be null and has no default
    is always in the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def content(self) -> Content:
        """Return the object as `artifacts.write_json` takes it: without fields that are absent."""
        return self.model_dump(mode="json", exclude_unset=True)

    def set_fields(self) -> dict[str, Any]:
        """Return the fields that are not absent, to build a larger object from."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Excerpt(BaseModel):
    """The part that a reader needs of a file that holds more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Estimate(Schema):
    """A number with its 95 % intervals, in the number's own unit.

    `low` and `high` are null for a single persona. The crossed bounds are absent where training
    seeds are not looked at, and null where there are fewer than two of them.
    """

    value: float
    low: float | None  # over other personas
    high: float | None
    crossed_low: float | None = None  # over other personas and other training seeds
    crossed_high: float | None = None

    @model_validator(mode="after")
    def _holds_its_value(self, info: ValidationInfo) -> "Estimate":
        if is_read(info):
            require_order(self.value, self.low, self.high, "the interval")
            crossed = (self.crossed_low, self.crossed_high)
            require_order(self.value, *crossed, "the interval over seeds")
        return self


# By metric; null where records lack what a metric needs.
Estimates = Annotated[dict[str, Estimate | None], AfterValidator(require_metrics)]
Count = Annotated[int, Field(ge=0)]

Read = TypeVar("Read", bound=BaseModel)


def read(path: Path, schema: type[Read], *, made_by: str, must_be_sealed: bool = False) -> Read:
    """Read a JSON file as its schema; `made_by` names the stage that writes it.

    Raises:
        MissingFileError: the file does not exist.
        DataError: the file is not JSON, or not as `schema` describes it, or it was edited, or has
            no seal though it must.
    """
    content = artifacts.read_json(path, made_by=made_by, must_be_sealed=must_be_sealed)
    return parse(schema, content, path, remedy=f"run `python -m stages.{made_by}` (or `dvc repro`)")


def parse(
    schema: type[Read], content: object, origin: object, remedy: str = "run it again"
) -> Read:
    """Return a file's content as `schema`; `remedy` says what to do where it is none.

    Raises:
        DataError: a field is missing, unknown or of another type; names the file and the field.
    """
    try:
        return schema.model_validate(content, context=READING)
    except ValidationError as error:
        first = first_of(error)
        where = one_line(".".join(str(part) for part in first["loc"]))
        raise DataError(
            f"{origin}: {where}: not as its stage writes it{_why(first)}; {remedy}"
        ) from error


def _why(problem: ErrorDetails) -> str:
    """Say what was found where a number is out of its bounds; of other faults the field is told."""
    if problem["type"] == "value_error":
        return f" ({one_line(problem['msg'].removeprefix('Value error, '))})"
    if "greater_than" in problem["type"] or "less_than" in problem["type"]:
        return f" ({one_line(problem['input'])} found, {problem['msg'].lower()})"
    return ""

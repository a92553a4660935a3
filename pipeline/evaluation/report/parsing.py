"""JSON that a stage wrote, as a model of what is read of it. No torch."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import DataError


class Read(BaseModel):
    """What is read of a file that holds more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


Parsed = TypeVar("Parsed", bound=BaseModel)


def parse(schema: type[Parsed], content: object, origin: object) -> Parsed:
    """Return a file's content as `schema`.

    Raises:
        DataError: names the file, and the place in it that is not as the stage writes it.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise DataError(f"{origin}: {where}: not as its stage writes it; run it again") from error

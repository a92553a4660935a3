"""What all sections of params.yaml share: strict models, the types of their numbers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
Natural = Annotated[int, Field(ge=0, lt=2**63)]  # generators take no larger seed
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Patterns = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]  # of names
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Section(BaseModel):
    """A part of params.yaml: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class StageParams(Section):
    """Base of the stages' views: the fields are the keys of params.yaml that the stage reads.

    A field's alias is the key's dotted path, where the key lies inside a section.
    """

    @classmethod
    def read_keys(cls) -> list[str]:
        """Return the keys that the stage reads, as dotted paths; dvc.yaml declares the same."""
        return [field.alias or name for name, field in cls.model_fields.items()]

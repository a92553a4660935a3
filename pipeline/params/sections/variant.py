"""A variant: a row of Table 1 as a point in independent axes."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline import artifacts
from pipeline.params.sections.section import Section, Weight


# Names that a variant's files would share with other files under models/ or metrics/details/.
RESERVED = (
    artifacts.BASE.name,
    artifacts.receiver_dir(0).parent.name,
    artifacts.COMPARISON.stem,
    artifacts.FLOORS.stem,
)


def plain_name(name: str, whose: str) -> str:
    """Return a name that files are named after: it is no path, and holds no dot.

    Raises:
        ValueError: it has other characters; `whose` says what would be named so.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
        raise ValueError(f"{whose} name is made of letters, digits, _ and -, not - first")
    return name


def checked_name(name: str) -> str:
    """Return a variant's name, which names its DVC stages and its files.

    Raises:
        ValueError: it has other characters (DVC splits paths at dots), or is reserved.
    """
    plain_name(name, "a variant's")
    if name.casefold() in RESERVED:  # some file systems tell no case
        raise ValueError(f"no variant may have this name, other files have: {', '.join(RESERVED)}")
    return name


VariantName = Annotated[str, AfterValidator(checked_name)]


class NextUtterance(Section):
    """Next-utterance prediction beside language modelling: L = lm_coef LM + coef NUP."""

    head: Literal["choice", "binary"]  # TransferTransfo's | P² Bot's
    lm_coef: Weight
    coef: Weight
    candidates: Annotated[int, Field(ge=2)]  # of each reply in training, the true one among them


class Variant(Section):
    """A row of Table 1, as a point in independent axes."""

    init: Literal["pretrained", "random"]
    adapters: bool = False
    freeze_base: bool = False  # Algorithm 2, line 2
    persona_text: bool = True  # persona sentences in the prompt
    next_utterance: NextUtterance | None = None
    # Appendix A's special tokens, its ablation in plain lines, or the base's own chat template.
    format: Literal["special", "plain", "chat"] = "special"
    # Dotted keys of params.yaml, replaced for this variant alone.
    set: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _something_is_trained(self) -> "Variant":
        if self.freeze_base and not self.adapters:
            raise ValueError("freeze_base without adapters leaves nothing to train")
        return self

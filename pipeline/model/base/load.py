"""Load φ from the folder that stage `base` wrote, or from any folder of the same layout."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from transformers import PreTrainedTokenizerFast

from pipeline import artifacts
from pipeline.errors import MissingFileError, ModelError
from pipeline.model.base.architecture import architecture_of
from pipeline.model.base.huggingface_folder import read_model
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.base.tokenizer import load_tokenizer
from pipeline.outs import refuse_damaged
from pipeline.strict_json import first_problem


class _Facts(BaseModel):
    """The part of base.json that loading reads."""

    model_config = ConfigDict(extra="ignore", strict=True)

    # Of bases that were made before these parameters were there, both are absent.
    context: Annotated[int, Field(ge=1)] | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"


def load_base(folder: Path) -> tuple[Any, PreTrainedTokenizerFast]:
    """Load what stage `base` wrote.

    Args:
        folder: `models/base`.

    Returns:
        φ, a causal language model of `transformers`, in eval mode, in float32, on the CPU; and its
        tokenizer, with the special tokens. `run_context` says how long a window may be.

    Raises:
        MissingFileError: `folder` does not exist, or the project's own base has no base.json.
        DataError: the project's own base is not as stage `base` wrote it.
        ModelError: a file is missing or corrupt, model and tokenizer do not belong together, or the
            tokenizer lacks the special tokens.
    """
    if not folder.is_dir():
        raise MissingFileError(folder, "base")
    refuse_damaged(folder)
    model, _ = read_model(folder)
    tokenizer = load_tokenizer(folder)
    if model.config.vocab_size != len(tokenizer):
        raise ModelError(
            f"{folder}: the embedding has {model.config.vocab_size} rows and the tokenizer "
            f"{len(tokenizer)} entries; run stage base again"
        )
    if SPECIAL_TOKENS[0] not in tokenizer.get_vocab():
        raise ModelError(f"{folder}: the tokenizer lacks the special tokens; run stage base again")
    facts = _facts(folder)
    longest = architecture_of(model).context
    if facts.context is not None and facts.context > longest:
        raise ModelError(
            f"{folder / artifacts.BASE_FACTS.name}: context {facts.context}, the model's longest "
            f"is {longest}; run stage base again"
        )
    model.run_context = facts.context
    model.fixed_dtype = facts.dtype
    return model, tokenizer


def _facts(folder: Path) -> _Facts:
    path = folder / artifacts.BASE_FACTS.name
    needed = folder == artifacts.BASE  # without it nobody could tell what made the base
    found = artifacts.read_json(path, made_by="base") if needed or path.is_file() else {}
    try:
        return _Facts.model_validate(found)
    except ValidationError as error:
        raise ModelError(f"{path}: {first_problem(error)}; run stage base again") from error


def run_context(model: Any) -> int:
    """Return the most tokens of a window: `base.context` as stage `base` wrote it, else all of φ's.

    Args:
        model: as `load_base` returns it, or any causal language model.

    Raises:
        ModelError: the model has parts that the learner does not know.
    """
    return getattr(model, "run_context", None) or architecture_of(model).context


def fixed_dtype(model: Any) -> str:
    """Return how a φ that is not trained is kept (`base.dtype`): float32 or bfloat16."""
    return str(getattr(model, "fixed_dtype", "float32"))

"""Load φ from the folder that stage `base` wrote, or from any folder of the same layout."""

from pathlib import Path

from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from pipeline.errors import MissingFileError, ModelError
from pipeline.model.base.huggingface_folder import read_gpt2
from pipeline.model.base.tokenizer import SPECIAL_TOKENS, load_tokenizer


def load_base(folder: Path) -> tuple[GPT2LMHeadModel, PreTrainedTokenizerFast]:
    """Load what stage `base` wrote.

    Args:
        folder: `models/base`.

    Returns:
        φ in eval mode, in float32, on the CPU; and its tokenizer, with the special tokens.

    Raises:
        MissingFileError: `folder` does not exist.
        ModelError: a file is missing or corrupt, model and tokenizer do not belong together, or the
            tokenizer lacks the special tokens.
    """
    if not folder.is_dir():
        raise MissingFileError(folder, "base")
    model, tokenizer = read_folder(folder)
    if SPECIAL_TOKENS[0] not in tokenizer.get_vocab():
        raise ModelError(f"{folder}: the tokenizer lacks the special tokens; run stage base again")
    return model, tokenizer


def read_folder(folder: Path) -> tuple[GPT2LMHeadModel, PreTrainedTokenizerFast]:
    """Read a model and its tokenizer from a Hugging Face folder.

    Returns:
        The model in eval mode, in float32, on the CPU; and its tokenizer as the files have it.

    Raises:
        ModelError: a file is missing or corrupt, or model and tokenizer do not belong together.
    """
    model = read_gpt2(folder)
    tokenizer = load_tokenizer(folder)
    if model.config.vocab_size != len(tokenizer):
        raise ModelError(
            f"{folder}: the embedding has {model.config.vocab_size} rows and the tokenizer "
            f"{len(tokenizer)} entries; give model and tokenizer of one kind, without padding rows"
        )
    return model, tokenizer

"""φ from the folder that stage `base` wrote, or from any folder of the same layout."""

from pathlib import Path

from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from pipeline.errors import MissingFileError, ModelError
from pipeline.model.base.huggingface_folder import read_gpt2
from pipeline.model.base.tokenizer import SPECIAL_TOKENS, load_tokenizer


def load_base(folder: Path) -> tuple[GPT2LMHeadModel, PreTrainedTokenizerFast]:
    """Load what stage `base` wrote: φ in eval mode, float32, on the CPU, and its tokenizer.

    Raises:
        MissingFileError: there is no such folder.
        ModelError: a file in it is missing or corrupt, or they do not belong together.
    """
    if not folder.is_dir():
        raise MissingFileError(folder, "base")
    model, tokenizer = read_folder(folder)
    if SPECIAL_TOKENS[0] not in tokenizer.get_vocab():
        raise ModelError(f"{folder}: the tokenizer lacks the special tokens; run stage base again")
    return model, tokenizer


def read_folder(folder: Path) -> tuple[GPT2LMHeadModel, PreTrainedTokenizerFast]:
    """Read a model and its tokenizer from a Hugging Face folder.

    Raises:
        ModelError: a file is missing or corrupt, or model and tokenizer do not belong together.
    """
    model = read_gpt2(folder)
    tokenizer = load_tokenizer(folder)
    if model.config.vocab_size != len(tokenizer):
        raise ModelError(
            f"{folder}: the embedding has {model.config.vocab_size} rows, the tokenizer "
            f"{len(tokenizer)} entries; they must be of one model, without padding rows"
        )
    return model, tokenizer

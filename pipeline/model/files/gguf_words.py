"""The words of a byte-level tokenizer in a .gguf file: how a text is cut before any merge.

The file holds no pattern, only the name of one. `transformers` knows some names and cuts by GPT-2's
pattern without a word where it knows none: the tokens would be others than the model was trained
on. So the pattern of every name that is taken stands here, or in the table of `transformers`, and
another name is refused. What a name means is llama.cpp's: src/llama-vocab.cpp, which also
begins texts with the bos or passes over merges for some names.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers

from pipeline.errors import ModelError, one_line


_ARCHITECTURE = "general.architecture"
_MODEL, _NAME = "tokenizer.ggml.model", "tokenizer.ggml.pre"
_ADD_BOS, _BOS = "tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id"
FACTS = (_ARCHITECTURE, _MODEL, _NAME, _ADD_BOS, _BOS)

_BYTE_LEVEL = "gpt2"  # the others are sentencepiece's, which have no such pattern

_LIKE_GPT2 = (
    *("gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4"),
    *("gigachat", "a.x-4.0", "mellum", "modern-bert", "roberta-bpe", "jina-es", "jina-de"),
    *("jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code"),
)
# Each digit is a word, and GPT-2's pattern cuts what is between.
_DIGITS_APART = (
    *("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"),
    "mellum2",
)
_LIKE_QWEN2 = (
    *("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan"),
    *("solar-open", "grok-2"),
)
_LIKE_LLAMA3 = (
    *("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
    "jina-v5-nano",
)
_CUT_AS_LLAMA3 = ("dbrx", "smaug-bpe", "chatglm-bpe", "glm4")
# A word of these that is in the vocabulary is one token, and a text begins with the bos.
_WHOLE_WORDS = (*_LIKE_LLAMA3, "tekken")

# Both patterns are the same but for how many digits make a word.
_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_PATTERNS = {
    **dict.fromkeys(_LIKE_QWEN2, _LETTERS + r"\p{N}" + _SIGNS),
    **dict.fromkeys((*_LIKE_LLAMA3, *_CUT_AS_LLAMA3), _LETTERS + r"\p{N}{1,3}" + _SIGNS),
}


class Words(NamedTuple):
    """How a file's tokenizer cuts texts, whether merges may make less of a word, and its bos."""

    pre_tokenizer: pre_tokenizers.PreTokenizer
    ignore_merges: bool
    add_bos: bool


def words_of(facts: Mapping[str, Any], path: Path) -> Words | None:
    """Return how a file's tokenizer cuts texts into words; null if it is not byte-level.

    A file of GPT-2's architecture that names no pattern is older than the names. This family has
    one pattern. Any other family has several.

    Args:
        facts: of the file by name, those of FACTS that it has.
        path: the file, for errors.

    Raises:
        ModelError: the file names no pattern, or one that is not known; or texts begin with a bos,
            and the file names none.
    """
    said = facts.get(_ADD_BOS)
    if said is not None and type(said) is not bool:
        raise ModelError(
            f"{path}: {_ADD_BOS} is {one_line(repr(said), 60)}; true or false was expected; fetch "
            "it again"
        )
    if facts.get(_MODEL) != _BYTE_LEVEL:
        return None
    name = facts.get(_NAME)
    if name is None and facts.get(_ARCHITECTURE) == "gpt2":
        name = "gpt-2"
    cut = _pre_tokenizer(name) if isinstance(name, str) else None
    if cut is None:
        found = "missing" if name is None else one_line(repr(name), 60)
        raise ModelError(
            f"{path}: {_NAME} is {found}; the name of a known pattern (gpt-2, llama-bpe, qwen2, "
            "smollm, ...) was expected, by which texts are cut into words; give a newer .gguf file "
            "of the model, or its folder with safetensors"
        )
    add_bos = name in _WHOLE_WORDS if said is None else said
    if add_bos and _BOS not in facts:
        raise ModelError(
            f"{path}: texts begin with a bos ({_ADD_BOS}, or {_NAME} is {one_line(name, 40)}), and "
            f"{_BOS} is missing; give a newer .gguf file of the model, or its folder with "
            "safetensors"
        )
    return Words(cut, name in _WHOLE_WORDS, add_bos)


def cut_by(backend: Tokenizer, words: Words) -> None:
    """Let a byte-level tokenizer cut texts into these words, whatever it was made with.

    Older versions of `transformers` make a Llama's decode as sentencepiece does.
    """
    backend.pre_tokenizer = words.pre_tokenizer
    backend.decoder = decoders.ByteLevel()
    backend.model.ignore_merges = words.ignore_merges


def _pre_tokenizer(name: str) -> pre_tokenizers.PreTokenizer | None:
    """Return what cuts texts by a pattern of this name; null if it is not known."""
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if name in _LIKE_GPT2:
        return gpt2
    if name in _DIGITS_APART:
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2])
    pattern = _PATTERNS.get(name) or _known_to_transformers().get(name)
    if not isinstance(pattern, str):
        return None
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([split, letters])


def _known_to_transformers() -> Mapping[str, Any]:
    """Return the patterns of `transformers` by name; none in a version that keeps no such table."""
    try:
        home = import_module("transformers.integrations.gguf.gguf_tokenizer_mapping")
    except ImportError:
        return {}
    table: Mapping[str, Any] = getattr(home, "GGUF_PRE_TOKENIZER_SPLITS", {})
    return table

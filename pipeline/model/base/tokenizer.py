"""φ's tokenizer: a byte-level BPE like GPT-2's, trained here or given, with six special tokens.

If a text contains the name of a special token, the name is encoded as ordinary text. Only the
encoder of dialogues inserts the tokens themselves.
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from pipeline.errors import ModelError


END_OF_TEXT = "<|endoftext|>"

# Appendix A, Fig. 4. No padding token is needed: batches are padded on the right, which causal
# attention never sees.
SPECIAL_TOKENS = (
    "<|persona|>",
    "<|/persona|>",
    "<|user|>",
    "<|/user|>",
    "<|system|>",
    "<|/system|>",
)

_BYTES = pre_tokenizers.ByteLevel.alphabet()
_SAMPLE = ' Hello, "Wörld"!\n\t 42  ☃'


def train_tokenizer(lines: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on `lines`. Each gets a leading space, as segments do when encoded.

    The 256 bytes and `<|endoftext|>` are always in the vocabulary, so any text can be encoded.
    Equal lines give equal tokenizers. A short text gives fewer than `vocab_size` entries.

    Raises:
        ModelError: `vocab_size` has no room for the bytes and `<|endoftext|>`.
    """
    if vocab_size <= len(_BYTES):
        raise ModelError(
            f"a vocabulary of {vocab_size} entries cannot hold the {len(_BYTES)} bytes and "
            f"{END_OF_TEXT}; raise base.pretrain.vocab_size to {len(_BYTES) + 1} or more"
        )
    backend = _byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        show_progress=False,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=_BYTES,
    )
    backend.train_from_iterator((" " + line for line in lines), trainer)
    return _wrapped(backend)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load `tokenizer.json` of a Hugging Face folder, else GPT-2's `vocab.json` and `merges.txt`.

    Raises:
        ModelError: the files are missing or cannot be read, or they do not hold a lossless
            byte-level BPE with `<|endoftext|>`.
    """
    try:
        backend = _read(folder)
    except ModelError:
        raise
    except Exception as error:  # tokenizers raises a plain Exception for any fault of a file
        raise ModelError(f"{folder}: tokenizer files cannot be read: {error}") from error
    _check(backend, folder)
    return _wrapped(backend)


def add_special_tokens(tokenizer: PreTrainedTokenizerFast) -> int:
    """Append SPECIAL_TOKENS to `tokenizer` as ids V to V+5, unless it has them there already.

    Returns:
        V, the number of entries without the special tokens.

    Raises:
        ModelError: the tokenizer has some of them, or has all at other ids.
    """
    vocabulary = tokenizer.get_vocab()
    present = [token for token in SPECIAL_TOKENS if token in vocabulary]
    if not present:
        tokenizer.add_special_tokens({"extra_special_tokens": list(SPECIAL_TOKENS)})
    size = len(tokenizer) - len(SPECIAL_TOKENS)
    ids = tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS))
    if ids != list(range(size, size + len(SPECIAL_TOKENS))):
        raise ModelError(
            f"the tokenizer has {', '.join(present)} already, but not all of "
            f"{', '.join(SPECIAL_TOKENS)} as its last entries in this order; use one without them"
        )
    return size


def _byte_level(model: models.Model) -> Tokenizer:
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend


def _read(folder: Path) -> Tokenizer:
    complete, vocab, merges = (folder / n for n in ("tokenizer.json", "vocab.json", "merges.txt"))
    if complete.is_file():
        return Tokenizer.from_file(str(complete))
    if vocab.is_file() and merges.is_file():
        return _byte_level(models.BPE.from_file(str(vocab), str(merges)))
    raise ModelError(f"{folder}: it needs tokenizer.json, or vocab.json with merges.txt")


def _check(backend: Tokenizer, folder: Path) -> None:
    vocabulary = backend.get_vocab()
    if not isinstance(backend.model, models.BPE) or not vocabulary.keys() >= set(_BYTES):
        raise ModelError(f"{folder}: not a byte-level BPE tokenizer; one like GPT-2's is needed")
    if END_OF_TEXT not in vocabulary:
        raise ModelError(f"{folder}: no {END_OF_TEXT} in the vocabulary; GPT-2's has it")
    decoded = backend.decode(backend.encode(_SAMPLE, add_special_tokens=False).ids)
    if decoded != _SAMPLE:
        raise ModelError(
            f"{folder}: the tokenizer changes text ({_SAMPLE!r} is decoded as {decoded!r}); "
            "a lossless one is needed"
        )


def _wrapped(backend: Tokenizer) -> PreTrainedTokenizerFast:
    present = [token for token in SPECIAL_TOKENS if token in backend.get_vocab()]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        unk_token=END_OF_TEXT,
        extra_special_tokens=present,
        split_special_tokens=True,
        clean_up_tokenization_spaces=False,
    )

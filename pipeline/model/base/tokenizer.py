"""φ's tokenizer: byte-level BPE as GPT-2's, trained here or given, and the six special tokens.

A text that happens to contain the name of a special token is encoded as ordinary text; only the
encoder of dialogues puts the tokens themselves in.
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from pipeline.errors import ModelError


END_OF_TEXT = "<|endoftext|>"

# Appendix A, Fig. 4. There is no padding token: batches are padded on the right, where causal
# attention never looks.
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
    """Train byte-level BPE on `lines`, each with a leading space, as segments are encoded.

    The 256 bytes and `<|endoftext|>` are always in the vocabulary, so that any text can be
    encoded. Equal lines give equal tokenizers. A short text has fewer merges than asked for.

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
        ModelError: there are no such files, they cannot be read, or they do not hold a lossless
            byte-level BPE with `<|endoftext|>`.
    """
    try:
        backend = _read(folder)
    except ModelError:
        raise
    except Exception as error:  # tokenizers raises plain Exception for whatever is wrong in a file
        raise ModelError(f"{folder}: tokenizer files cannot be read: {error}") from error
    _check(backend, folder)
    return _wrapped(backend)


def add_special_tokens(tokenizer: PreTrainedTokenizerFast) -> int:
    """Append SPECIAL_TOKENS to `tokenizer` as ids V to V+5, unless they stand there already.

    Returns:
        V, the number of entries without the special tokens.

    Raises:
        ModelError: some of them are there, or all, but not as the last ids in this order.
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
    raise ModelError(f"{folder}: neither tokenizer.json nor vocab.json with merges.txt is there")


def _check(backend: Tokenizer, folder: Path) -> None:
    vocabulary = backend.get_vocab()
    if not isinstance(backend.model, models.BPE) or not vocabulary.keys() >= set(_BYTES):
        raise ModelError(f"{folder}: not a byte-level BPE tokenizer; one like GPT-2's is needed")
    if END_OF_TEXT not in vocabulary:
        raise ModelError(f"{folder}: the vocabulary has no {END_OF_TEXT}; one like GPT-2's has it")
    back = backend.decode(backend.encode(_SAMPLE, add_special_tokens=False).ids)
    if back != _SAMPLE:
        raise ModelError(f"{folder}: the tokenizer changes text ({_SAMPLE!r} comes back {back!r})")


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

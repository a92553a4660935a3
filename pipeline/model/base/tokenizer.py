"""φ's tokenizer: trained here (a byte-level BPE like GPT-2's) or any lossless fast one.

Six special tokens are added. If a text contains the name of a special token, ours or the base's
own, the name is encoded as ordinary text. Only the encoder of dialogues inserts the tokens
themselves.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from pipeline.errors import ModelError, one_line
from pipeline.model.base.lossless import BYTES, checked, without_stored_state
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.base.tokenizer_files import (
    END_OF_TEXT,
    byte_level,
    chat_template,
    named_tokens,
    optional_json,
    read_backend,
)
from pipeline.model.base.vocabulary import MOST_HOLES, refuse_holes, without_rowless


LONGEST_WORD = 2048  # characters; the time of the training grows with a word's length squared

# The trainer takes many lines at once. A longer one is given in pieces, cut before a single space,
# where a word ends in any case.
_LONGEST_PIECE = 1 << 16  # characters, and those until the next such space
_CUT = re.compile(r"(?<=\S) (?=\S)")


def train_tokenizer(lines: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on `lines`. Each gets a leading space, as segments do when encoded.

    The 256 bytes and `<|endoftext|>` are always in the vocabulary, so any text can be encoded.
    Equal lines give equal tokenizers. A short text gives fewer than `vocab_size` entries. A word of
    over LONGEST_WORD characters counts as several.

    Raises:
        ModelError: `vocab_size` has no room for the bytes and `<|endoftext|>`.
    """
    if vocab_size <= len(BYTES):
        raise ModelError(
            f"a vocabulary of {vocab_size} entries cannot hold the {len(BYTES)} bytes and "
            f"{END_OF_TEXT}; raise base.pretrain.vocab_size to {len(BYTES) + 1} or more"
        )
    backend = byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        show_progress=False,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=list(BYTES),
    )
    words = byte_level(models.BPE()).pre_tokenizer  # the backend's own is locked while it trains
    pieces = (piece for line in lines for piece in _pieces(" " + line))
    parts = (part for piece in pieces for part in _with_short_words(piece, words))
    backend.train_from_iterator(parts, trainer)
    names = {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT, "unk_token": END_OF_TEXT}
    return wrapped(backend, names)


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces that have the same words."""
    begin = 0
    while cut := _CUT.search(text, begin + _LONGEST_PIECE):
        yield text[begin : cut.start()]
        begin = cut.start()
    yield text[begin:]


def _with_short_words(text: str, words: pre_tokenizers.PreTokenizer) -> Iterator[str]:
    """Yield a text whole, or around and within its words of over LONGEST_WORD characters.

    A word is what the pre-tokenizer makes one: letters, digits, other signs or blanks in a row.
    """
    begin = 0
    if len(text) > LONGEST_WORD:
        for _, (start, stop) in words.pre_tokenize_str(text):
            if stop - start <= LONGEST_WORD:
                continue
            if start > begin:
                yield text[begin:start]
            word = text[start:stop]
            yield from (word[i : i + LONGEST_WORD] for i in range(0, len(word), LONGEST_WORD))
            begin = stop
    if begin < len(text):
        yield text[begin:]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load a folder's tokenizer with all of its entries; see `read_tokenizer`."""
    return read_tokenizer(folder, rows=None)[0]


def read_tokenizer(folder: Path, rows: int | None) -> tuple[PreTrainedTokenizerFast, list[str]]:
    """Load `tokenizer.json` of a Hugging Face folder, else GPT-2's `vocab.json` and `merges.txt`.

    What the files have stored of an earlier use is cleared: truncation, padding, dropout, a space
    that is put before every text. The base's own names of special tokens and its chat template
    stay.

    Args:
        folder: with the files.
        rows: of the model; null: as many as there are entries.

    Returns:
        The tokenizer, and the names of added tokens that were dropped for want of rows.

    Raises:
        ModelError: the files are missing or cannot be read, there is no fast tokenizer, it changes
            text, or nothing says which token ends a text.
    """
    try:
        backend = read_backend(folder)
        refuse_holes(backend.get_vocab(), folder, most=MOST_HOLES)
        backend = without_stored_state(backend)
    except ModelError:
        raise
    except Exception as error:  # tokenizers raises a plain Exception for any fault of a file
        raise ModelError(f"{folder}: tokenizer files cannot be read: {one_line(error)}") from error
    config = optional_json(folder / "tokenizer_config.json")
    names, template = named_tokens(backend, folder, config), chat_template(folder, config)
    dropped: list[str] = []
    if rows is not None:
        needed = [name for key, name in names.items() if key != "pad_token"]
        backend, dropped = without_rowless(backend, rows, [*needed, template or ""])
    return adopt(backend, names, config, origin=str(folder), template=template), dropped


def adopt(
    backend: Tokenizer,
    names: dict[str, str],
    config: dict[str, Any],
    *,
    origin: str,
    template: str | None,
) -> PreTrainedTokenizerFast:
    """Check a stranger's tokenizer and wrap it.

    Args:
        backend: as `without_stored_state` returns it.
        names: its named special tokens (`bos_token`, ...); those it lacks are passed over.
        config: its tokenizer_config.json; `add_bos_token` is read.
        origin: the folder or file, for errors.
        template: the chat template, if there is one.

    Raises:
        ModelError: it changes text, its ids have holes, or it has no token that ends a text.
    """
    checked(backend, origin)
    vocabulary = backend.get_vocab()
    names = {key: name for key, name in names.items() if name in vocabulary}
    if "eos_token" not in names:
        raise ModelError(
            f"{origin}: no {END_OF_TEXT} in the vocabulary, and tokenizer_config.json names no "
            "eos_token of it; name the token that ends a text there"
        )
    refuse_holes(vocabulary, origin)
    _set_bos(backend, names, config.get("add_bos_token"), origin)
    try:
        return wrapped(backend, names, template)
    except Exception as error:  # it copies the tokenizer: two entries of one id get lost by that
        raise ModelError(
            f"{origin}: the tokenizer contradicts itself: {one_line(error)}; get its files again"
        ) from error


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
        own = [*map(str, tokenizer.extra_special_tokens), *SPECIAL_TOKENS]
        tokenizer.add_special_tokens({"extra_special_tokens": own})
    size = len(tokenizer) - len(SPECIAL_TOKENS)
    ids = tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS))
    if ids != list(range(size, size + len(SPECIAL_TOKENS))):
        raise ModelError(
            f"the tokenizer has {', '.join(present)} already, but not all of "
            f"{', '.join(SPECIAL_TOKENS)} as its last entries in this order; use one without them"
        )
    return size


def wrapped(
    backend: Tokenizer, names: dict[str, str], template: str | None = None
) -> PreTrainedTokenizerFast:
    """Wrap a tokenizer for `transformers`: names of special tokens in a text are text."""
    special = [
        t.content for _, t in sorted(backend.get_added_tokens_decoder().items()) if t.special
    ]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **names,
        extra_special_tokens=[],  # given here, each is looked for among all: a minute for 80,000
        split_special_tokens=True,
        clean_up_tokenization_spaces=False,
        **({} if template is None else {"chat_template": template}),
    )
    own = {*names.values()}
    tokenizer.extra_special_tokens = [token for token in special if token not in own]
    return tokenizer


def _set_bos(backend: Tokenizer, names: dict[str, str], asked: object, origin: str) -> None:
    """Let the tokenizer put its bos before a text iff `add_bos_token` says so, where it does.

    Raises:
        ModelError: the bos's name is none that a template can hold.
    """
    bos = names.get("bos_token")
    if asked is True and bos is not None:
        if bos.split() != [bos] or "$" in bos or ":" in bos:
            raise ModelError(
                f"{origin}: bos_token {one_line(repr(bos), 60)} cannot be put before a text: a "
                "name without blanks, $ and colons is needed"
            )
        token = (bos, backend.token_to_id(bos))
        backend.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[token]
        )
    elif asked is False and backend.encode("a").ids != _plain_ids(backend, "a"):
        backend.post_processor = processors.ByteLevel(trim_offsets=True)  # adds nothing


def _plain_ids(backend: Tokenizer, text: str) -> list[int]:
    ids: list[int] = backend.encode(text, add_special_tokens=False).ids
    return ids

"""Perplexity without a network: by token frequencies, and by the synthetic grammar. No torch.

Both are in the variants' units: tokens of the base's tokenizer, and one closing token for each
reply.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from math import exp, fsum, log
from pathlib import Path

from tokenizers import Tokenizer

from pipeline.errors import DataError, MissingFileError, ModelError
from pipeline.persona.task.record import PersonaTask


_AT_ONCE = 4096  # texts

Oracle = Mapping[str, Sequence[Sequence[float]]]  # split: nats of each reply of each dialogue


@dataclass(frozen=True)
class ReplyTokens:
    """The tokens in which perplexity is counted: those of the base's tokenizer."""

    encode: Callable[[Sequence[str]], list[list[int]]]  # texts to ids, without marks
    vocabulary: int  # entries that text can hold; the closing token is one more


def encoded(tokens: ReplyTokens, texts: Iterable[str]) -> Iterator[list[int]]:
    """Yield the ids of each text; some thousands of texts at a time are in memory."""
    stream = iter(texts)
    while some := list(islice(stream, _AT_ONCE)):
        yield from tokens.encode(some)


def read_tokens(path: Path) -> ReplyTokens:
    """Read a tokenizer.json; a text is encoded with a leading space, as every segment is.

    Raises:
        MissingFileError: the file does not exist.
        ModelError: the file is no tokenizer.
    """
    if not path.is_file():
        raise MissingFileError(path, "base")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception for whatever is wrong in a file
        raise ModelError(f"{path}: not a tokenizer ({error}); run stage base again") from error
    tokenizer.encode_special_tokens = True  # a mark's name in a text is ordinary text

    def encode(texts: Sequence[str]) -> list[list[int]]:
        batch = tokenizer.encode_batch([f" {text}" for text in texts], add_special_tokens=False)
        return [encoding.ids for encoding in batch]

    return ReplyTokens(encode, tokenizer.get_vocab_size(with_added_tokens=False))


class TokenCounts:
    """How often each token stands in some replies, which come one at a time."""

    def __init__(self) -> None:
        self.of: Counter[int] = Counter()
        self.replies = 0

    def add(self, ids: Iterable[Sequence[int]]) -> None:
        """Count the token ids of some replies."""
        for reply in ids:
            self.of.update(reply)
            self.replies += 1

    @property
    def total(self) -> int:
        """The number of tokens, with a closing token of each reply."""
        return self.of.total() + self.replies


def unigram_ppl(train: TokenCounts, test: TokenCounts, vocabulary: int) -> float:
    """Return the perplexity on `test` of token frequencies in `train`, closing token counted.

    Frequencies are smoothed by adding one, over the vocabulary and the closing token.

    Args:
        train: the tokens of train's replies.
        test: those of test's.
        vocabulary: number of the tokenizer's entries, without the closing token.
    """
    total = train.total + vocabulary + 1
    nats = (repeat(log(total) - log(train.of[token] + 1), n) for token, n in test.of.items())
    closing = repeat(log(total) - log(train.replies + 1), test.replies)
    return exp(fsum(chain(chain.from_iterable(nats), closing)) / test.total)


def oracle_ppl(tasks: Iterable[PersonaTask], said: TokenCounts, oracle: Oracle) -> float:
    """Return the grammar's own perplexity in the variants' units: tokens and closing tokens.

    Args:
        tasks: of one split; a dialogue's number is its place in the split's file.
        said: the tokens of the tasks' replies.
        oracle: the grammar's nats, of all splits.

    Raises:
        DataError: the oracle lacks a dialogue, or has another number of replies for it.
    """
    nats = array("d")
    for dialogue in (dialogue for task in tasks for dialogue in task.dialogues):
        split, _, number = dialogue.dialogue_id.rpartition("-")
        of_split = oracle.get(split, ())
        of_dialogue = of_split[int(number)] if int(number) < len(of_split) else ()
        if len(of_dialogue) != len(dialogue.turns):
            raise DataError(
                f"the oracle has {len(of_dialogue)} replies for dialogue {dialogue.dialogue_id}, "
                f"the corpus {len(dialogue.turns)}; run stages download and tasks again"
            )
        nats.extend(of_dialogue)
    return exp(fsum(nats) / said.total)

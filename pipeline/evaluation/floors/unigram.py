"""Perplexity without a network: by token frequencies, and by the synthetic grammar. No torch.

Both are in the variants' units: tokens of the base's tokenizer, and one closing token for each
reply.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, fsum, log
from pathlib import Path

from tokenizers import Tokenizer

from pipeline.errors import DataError, MissingFileError, ModelError
from pipeline.persona.task import PersonaTask


Oracle = Mapping[str, Sequence[Sequence[float]]]  # split: nats of each reply of each dialogue


@dataclass(frozen=True)
class ReplyTokens:
    """The tokens in which perplexity is counted: those of the base's tokenizer."""

    encode: Callable[[Sequence[str]], list[list[int]]]  # texts to ids, without marks
    vocabulary: int  # entries that text can hold; the closing token is one more


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


def unigram_ppl(
    train: Sequence[Sequence[int]], test: Sequence[Sequence[int]], vocabulary: int
) -> float:
    """Return the perplexity on `test` of token frequencies in `train`, closing token counted.

    Frequencies are smoothed by adding one, over the vocabulary and the closing token.

    Args:
        train: token ids of each train reply.
        test: token ids of each test reply.
        vocabulary: number of the tokenizer's entries, without the closing token.
    """
    counts = Counter(token for reply in train for token in reply)
    total = counts.total() + len(train) + vocabulary + 1
    nats = [log(total) - log(counts[token] + 1) for reply in test for token in reply]
    nats += [log(total) - log(len(train) + 1)] * len(test)
    return exp(fsum(nats) / len(nats))


def oracle_ppl(tasks: Sequence[PersonaTask], ids: Sequence[Sequence[int]], oracle: Oracle) -> float:
    """Return the grammar's own perplexity in the variants' units: tokens and closing tokens.

    Args:
        tasks: of one split; a dialogue's number is its place in the split's file.
        ids: token ids of the tasks' replies, in order.
        oracle: the grammar's nats, of all splits.

    Raises:
        DataError: the oracle lacks a dialogue, or has another number of replies for it.
    """
    nats: list[float] = []
    for dialogue in (dialogue for task in tasks for dialogue in task.dialogues):
        split, _, number = dialogue.dialogue_id.rpartition("-")
        of_split = oracle.get(split, ())
        of_dialogue = of_split[int(number)] if int(number) < len(of_split) else ()
        if len(of_dialogue) != len(dialogue.turns):
            raise DataError(
                f"the oracle has {len(of_dialogue)} replies for dialogue {dialogue.dialogue_id}, "
                f"the corpus {len(dialogue.turns)}; run stages download and tasks again"
            )
        nats += of_dialogue
    return exp(fsum(nats) / sum(len(reply) + 1 for reply in ids))

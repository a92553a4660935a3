"""F1 of one reply that is said to everybody: the floor below a generator's F1. No torch.

Both constant replies are chosen on train alone. Word F1 is an overlap of bags. So it is a dot
product if each n-th occurrence of a word is one binary feature (the second "i" is a feature of its
own).

Dimensions: r, train replies; f, features; m, replies tried; w, words of all replies.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from math import fsum

import numpy as np
from scipy.sparse import csr_array

from pipeline.evaluation.metrics.generation import word_f1
from pipeline.evaluation.records.metric import Array
from pipeline.persona.task.text import normalise


NUM_TRIED = 300
MAX_WORDS = 40


def mean_f1(constant: str, replies: Sequence[str]) -> float:
    """Return 100 times the mean word F1 of one constant reply against `replies`."""
    return 100 * fsum(word_f1(constant, reply) for reply in replies) / len(replies)


class Bags:
    """The bags of words of train's replies, which come one at a time.

    Kept are four bytes for each word of each reply, and a digest of each reply; not its text.
    """

    def __init__(self) -> None:
        self._features: dict[tuple[str, int], int] = {}  # word and occurrence, by first place
        self._words = array("i")  # (w,)
        self._ends = array("q", [0])  # (r + 1,)
        self._digests = array("q")  # (r,), of what `normalise` leaves

    @classmethod
    def of(cls, replies: Iterable[str]) -> "Bags":
        """Return those of some replies."""
        bags = cls()
        for reply in replies:
            bags.add(reply)
        return bags

    def add(self, reply: str) -> None:
        """Add a reply."""
        text = normalise(reply)
        seen: Counter[str] = Counter()
        for word in text.split():
            seen[word] += 1
            key = (word, seen[word])
            self._words.append(self._features.setdefault(key, len(self._features)))
        self._ends.append(len(self._words))
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self._digests.append(int.from_bytes(digest, "big", signed=True))

    def best(self) -> int:
        """Return the index of the reply with the highest mean word F1 against all replies.

        Only NUM_TRIED replies are tried: those whose words are the most frequent for their length.
        Of equal replies the first is returned.
        """
        matrix, lengths = self._matrix(), np.diff(self._ends)
        share = self._counts() / len(lengths)
        promise = 2 * (matrix @ share) / (lengths + lengths.mean())
        tried = np.sort(np.unique(self._digests, return_index=True)[1])
        tried = np.sort(tried[np.argsort(-promise[tried], kind="stable")[:NUM_TRIED]])
        scores = [self._mean_f1(matrix, self._own(i)) for i in tried]
        return int(tried[int(np.argmax(scores))])

    def frequent(self) -> str:
        """Return the most frequent words, as many as give the highest mean word F1.

        They are no sentence; ConvAI2's report shows how high such a "reply" scores.
        """
        names, counts, matrix = [*self._features], self._counts(), self._matrix()
        by_name = sorted(range(len(names)), key=lambda i: f"{names[i][0]} {names[i][1]}")
        order = sorted(by_name, key=lambda i: -counts[i])[:MAX_WORDS]
        scores = [self._mean_f1(matrix, order[: n + 1]) for n in range(len(order))]
        return " ".join(names[i][0] for i in order[: int(np.argmax(scores)) + 1])

    def _matrix(self) -> "csr_array[np.int32]":
        """Return the binary matrix, (r, f)."""
        words = np.frombuffer(self._words, np.int32)
        shape = (len(self._digests), len(self._features))
        return csr_array((np.ones(len(words), np.int32), words, np.array(self._ends)), shape)

    def _counts(self) -> Array:
        """Return how many replies have each feature, (f,)."""
        words = np.frombuffer(self._words, np.int32)
        return np.bincount(words, minlength=len(self._features)).astype(np.float64)

    def _own(self, reply: int) -> Sequence[int]:
        """Return the features of a reply."""
        return self._words[self._ends[reply] : self._ends[reply + 1]]

    def _mean_f1(self, matrix: "csr_array[np.int32]", words: Sequence[int]) -> float:
        """Return the mean F1 of all replies with a bag of these features."""
        bag = np.zeros(len(self._features), np.int32)
        bag[words] = 1
        shared = (matrix @ bag).astype(np.float64)
        return float(np.mean(2 * shared / np.maximum(np.diff(self._ends) + len(words), 1)))


def best_reply(train_replies: Sequence[str]) -> str:
    """Return the reply that `Bags.best` chooses."""
    return train_replies[Bags.of(train_replies).best()]


def frequent_words(train_replies: Sequence[str]) -> str:
    """Return the words that `Bags.frequent` chooses."""
    return Bags.of(train_replies).frequent()

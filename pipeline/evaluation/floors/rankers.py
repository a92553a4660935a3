"""Hits@1 without a language model: a random ranker and TF-IDF. No torch.

The rule for a hit is the same as for the variants: every best candidate must equal the gold reply.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import fsum
from random import Random

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from pipeline.errors import DataError
from pipeline.evaluation.metrics.ranking import is_best
from pipeline.persona.task.record import Dialogue, PersonaTask, Turn
from pipeline.persona.task.text import normalise


WithCandidates = tuple[Dialogue, Turn, list[str], list[bool]]  # candidates, which are gold

_AT_ONCE = 1024  # replies with their candidates in memory
_CHARACTERS = 20_000_000  # of their queries, each as often as it has candidates

QUERIES: dict[str, Callable[[Dialogue, Turn], str]] = {
    "tfidf": lambda dialogue, turn: " ".join([*dialogue.persona, turn.partner]),
    "tfidf_persona": lambda dialogue, _: " ".join(dialogue.persona),
    "tfidf_partner": lambda _, turn: turn.partner,
}


def _with_candidates(tasks: Iterable[PersonaTask]) -> Iterator[WithCandidates]:
    """Yield each turn with its candidates, and which of them equal the gold reply."""
    for dialogue, turn in _turns(tasks):
        if turn.candidates is None:
            raise DataError(
                f"{dialogue.dialogue_id}: a test reply without candidates; run stage tasks again"
            )
        gold = normalise(turn.reply)
        is_gold = [normalise(candidate) == gold for candidate in turn.candidates]
        yield dialogue, turn, turn.candidates, is_gold


def _turns(tasks: Iterable[PersonaTask]) -> Iterator[tuple[Dialogue, Turn]]:
    for task in tasks:
        for dialogue in task.dialogues:
            for turn in dialogue.turns:
                yield dialogue, turn


def random_hits_at_1(tasks: Iterable[PersonaTask]) -> float:
    """Return the expected percentage of hits of a ranker that scores each string at random.

    Identical strings share one score, as everywhere. So the expectation is exact: it is the share
    of the distinct candidates that equal the gold after normalisation, 5 % for 20 distinct
    candidates.

    Raises:
        DataError: a reply has no candidates.
    """
    chances = array("d")
    for _, _, candidates, is_gold in _with_candidates(tasks):
        distinct = dict(zip(candidates, is_gold, strict=True))
        chances.append(sum(distinct.values()) / len(distinct))
    return 100 * fsum(chances) / len(chances)


def random_hits(tasks: Iterable[PersonaTask], seed: int) -> list[bool]:
    """Return for each reply whether a ranker that scores each string at random has a hit.

    Raises:
        DataError: a reply has no candidates.
    """
    hits = []
    for number, (_, _, candidates, is_gold) in enumerate(_with_candidates(tasks)):
        random = Random(f"{seed}/random ranker/{number}")
        score = {text: random.random() for text in dict.fromkeys(candidates)}
        hits.append(is_best([score[text] for text in candidates], is_gold))
    return hits


class DocumentFrequencies:
    """In how many texts each word stands: of train's utterances and persona sentences.

    The tasks come one at a time. Kept is a count for each word, not the texts' words, which
    `TfidfVectorizer.fit` holds all at once.
    """

    def __init__(self) -> None:
        self._texts = 0
        self._having: Counter[str] = Counter()

    @classmethod
    def of(cls, tasks: Iterable[PersonaTask]) -> "DocumentFrequencies":
        """Return those of some tasks."""
        frequencies = cls()
        for task in tasks:
            frequencies.add(task)
        return frequencies

    def add(self, task: PersonaTask) -> None:
        """Count a task's texts."""
        for dialogue in task.dialogues:
            said = (text for turn in dialogue.turns for text in (turn.partner, turn.reply))
            for text in (*said, *dialogue.persona):
                self._texts += 1
                self._having.update(set(_words(text)))

    def vectorizer(self) -> TfidfVectorizer:
        """Return the vectorizer that `TfidfVectorizer(...).fit` of all texts returns."""
        known = sorted(self._having)
        vectorizer = TfidfVectorizer(analyzer=_words, sublinear_tf=True, vocabulary=known)
        having = np.array([self._having[word] for word in known], dtype=np.float64)
        vectorizer.idf_ = np.log((self._texts + 1) / (having + 1)) + 1
        return vectorizer


def tfidf_hits_at_1(
    frequencies: DocumentFrequencies, test: Iterable[PersonaTask]
) -> dict[str, float]:
    """Return Hits@1 of `tfidf_hits`, in percent.

    Raises:
        DataError: a reply has no candidates.
    """
    hits = tfidf_hits(frequencies, test)
    return {name: 100 * float(np.mean(of_query)) for name, of_query in hits.items()}


def tfidf_hits(
    frequencies: DocumentFrequencies, test: Iterable[PersonaTask]
) -> dict[str, list[bool]]:
    """Return for each of QUERIES whether each reply has a hit by cosine to the candidates.

    Words are those after `normalise`. A word's weight has 1 + log of its count. A tie is no hit, as
    everywhere.

    Raises:
        DataError: a reply has no candidates.
    """
    vectorizer = frequencies.vectorizer()
    hits: dict[str, list[bool]] = {name: [] for name in QUERIES}
    stream = _with_candidates(test)
    for replies in _some(stream):
        for name, more in _hits(vectorizer, replies).items():
            hits[name] += more
    return hits


def _some(stream: Iterable[WithCandidates]) -> Iterator[list[WithCandidates]]:
    """Yield the replies in parts: each has its query as often as it has candidates."""
    some: list[WithCandidates] = []
    size = 0
    for reply in stream:
        dialogue, turn, candidates, _ = reply
        longest = max(len(query(dialogue, turn)) for query in QUERIES.values())
        if some and (size + len(candidates) * longest > _CHARACTERS or len(some) == _AT_ONCE):
            yield some
            some, size = [], 0
        some.append(reply)
        size += len(candidates) * longest
    if some:
        yield some


def _hits(vectorizer: TfidfVectorizer, replies: Sequence[WithCandidates]) -> dict[str, list[bool]]:
    """Return `tfidf_hits` of some replies; no reply's depends on another's."""
    candidates = vectorizer.transform([text for reply in replies for text in reply[2]])
    owner = np.repeat(np.arange(len(replies)), [len(reply[2]) for reply in replies])
    ends = np.cumsum([len(reply[2]) for reply in replies])[:-1]
    hits = {}
    for name, query in QUERIES.items():
        queries = vectorizer.transform([query(dialogue, turn) for dialogue, turn, *_ in replies])
        cosines = np.asarray(candidates.multiply(queries[owner]).sum(axis=1)).ravel()
        scores = np.split(-cosines, ends)
        hits[name] = [
            is_best(own.tolist(), reply[3]) for own, reply in zip(scores, replies, strict=True)
        ]
    return hits


def _words(text: str) -> list[str]:
    return normalise(text).split()

"""Hits@1 without a language model: a random ranker and TF-IDF. No torch.

The rule for a hit is the same as for the variants: every best candidate must equal the gold reply.
"""

from collections.abc import Callable, Iterator, Sequence
from math import fsum
from random import Random

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from pipeline.errors import DataError
from pipeline.evaluation.metrics.ranking import is_best
from pipeline.persona.task import Dialogue, PersonaTask, Turn
from pipeline.persona.text import normalise


WithCandidates = tuple[Dialogue, Turn, list[str], list[bool]]  # candidates, which are gold

QUERIES: dict[str, Callable[[Dialogue, Turn], str]] = {
    "tfidf": lambda dialogue, turn: " ".join([*dialogue.persona, turn.partner]),
    "tfidf_persona": lambda dialogue, _: " ".join(dialogue.persona),
    "tfidf_partner": lambda _, turn: turn.partner,
}


def _with_candidates(tasks: Sequence[PersonaTask]) -> Iterator[WithCandidates]:
    """Yield each turn with its candidates, and which of them equal the gold reply."""
    for dialogue, turn in _turns(tasks):
        if turn.candidates is None:
            raise DataError(
                f"{dialogue.dialogue_id}: a test reply without candidates; run stage tasks again"
            )
        gold = normalise(turn.reply)
        is_gold = [normalise(candidate) == gold for candidate in turn.candidates]
        yield dialogue, turn, turn.candidates, is_gold


def _turns(tasks: Sequence[PersonaTask]) -> Iterator[tuple[Dialogue, Turn]]:
    for task in tasks:
        for dialogue in task.dialogues:
            for turn in dialogue.turns:
                yield dialogue, turn


def random_hits_at_1(tasks: Sequence[PersonaTask]) -> float:
    """Return the expected percentage of hits of a ranker that scores each string at random.

    Identical strings share one score, as everywhere. So the expectation is exact: it is the share
    of the distinct candidates that equal the gold after normalisation, 5 % for 20 distinct
    candidates.

    Raises:
        DataError: a reply has no candidates.
    """
    chances = []
    for _, _, candidates, is_gold in _with_candidates(tasks):
        distinct = dict(zip(candidates, is_gold, strict=True))
        chances.append(sum(distinct.values()) / len(distinct))
    return 100 * fsum(chances) / len(chances)


def random_hits(tasks: Sequence[PersonaTask], seed: int) -> list[bool]:
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


def tfidf_hits_at_1(train: Sequence[PersonaTask], test: Sequence[PersonaTask]) -> dict[str, float]:
    """Return Hits@1 of `tfidf_hits`, in percent.

    Raises:
        DataError: a reply has no candidates.
    """
    return {name: 100 * float(np.mean(hits)) for name, hits in tfidf_hits(train, test).items()}


def tfidf_hits(train: Sequence[PersonaTask], test: Sequence[PersonaTask]) -> dict[str, list[bool]]:
    """Return for each of QUERIES whether each reply has a hit by cosine to the candidates.

    Words are those after `normalise`. Document frequencies are of train's utterances and persona
    sentences. A word's weight has 1 + log of its count. A tie is no hit, as everywhere.

    Raises:
        DataError: a reply has no candidates.
    """
    documents = [text for _, turn in _turns(train) for text in (turn.partner, turn.reply)]
    documents += [line for task in train for d in task.dialogues for line in d.persona]
    vectorizer = TfidfVectorizer(analyzer=_words, sublinear_tf=True).fit(documents)
    replies = list(_with_candidates(test))
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

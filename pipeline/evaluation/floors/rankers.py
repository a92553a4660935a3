"""Hits@1 without a language model: a random ranker and TF-IDF.

The rule is that of the variants: a hit needs every best candidate to equal the gold reply.
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


Ranked = tuple[Dialogue, Turn, list[str], list[bool]]

QUERIES: dict[str, Callable[[Dialogue, Turn], str]] = {
    "tfidf": lambda dialogue, turn: " ".join([*dialogue.persona, turn.partner]),
    "tfidf_persona": lambda dialogue, _: " ".join(dialogue.persona),
    "tfidf_partner": lambda _, turn: turn.partner,
}


def _ranked(tasks: Sequence[PersonaTask]) -> Iterator[Ranked]:
    """Yield each turn with its candidates and which of them equal the gold."""
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

    Identical strings share one score, as everywhere; so it is exact: the share of the distinct
    candidates that equal the gold after normalisation. 5 for 20 distinct ones.

    Raises:
        DataError: a reply has no candidates.
    """
    chances = []
    for _, _, candidates, is_gold in _ranked(tasks):
        distinct = dict(zip(candidates, is_gold, strict=True))
        chances.append(sum(distinct.values()) / len(distinct))
    return 100 * fsum(chances) / len(chances)


def random_hits(tasks: Sequence[PersonaTask], seed: int) -> list[bool]:
    """Return, for each reply, whether a ranker hits that scores each string at random.

    Raises:
        DataError: a reply has no candidates.
    """
    hits = []
    for number, (_, _, candidates, is_gold) in enumerate(_ranked(tasks)):
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
    """Return each reply's hit by the cosine between each of QUERIES and the candidates.

    Words after `normalise`; document frequencies of train's utterances and persona sentences;
    1 + log of a word's count. A tie is no hit, as everywhere.

    Raises:
        DataError: a reply has no candidates.
    """
    documents = [text for _, turn in _turns(train) for text in (turn.partner, turn.reply)]
    documents += [line for task in train for d in task.dialogues for line in d.persona]
    vectorizer = TfidfVectorizer(analyzer=_words, sublinear_tf=True).fit(documents)
    rows = list(_ranked(test))
    candidates = vectorizer.transform([text for row in rows for text in row[2]])
    owner = np.repeat(np.arange(len(rows)), [len(row[2]) for row in rows])
    ends = np.cumsum([len(row[2]) for row in rows])[:-1]
    hits = {}
    for name, query in QUERIES.items():
        queries = vectorizer.transform([query(dialogue, turn) for dialogue, turn, _, _ in rows])
        cosines = np.asarray(candidates.multiply(queries[owner]).sum(axis=1)).ravel()
        split = np.split(-cosines, ends)
        hits[name] = [is_best(own.tolist(), row[3]) for own, row in zip(split, rows, strict=True)]
    return hits


def _words(text: str) -> list[str]:
    return normalise(text).split()

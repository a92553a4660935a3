"""F1 of one reply that is said to everybody: the floor below a generator's F1. No torch.

Both constant replies are chosen on train alone. Word F1 is an overlap of bags. So it is a dot
product if each n-th occurrence of a word is one binary feature (the second "i" is a feature of its
own).

Dimensions: r, train replies; f, features; m, replies tried.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import fsum
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from pipeline.evaluation.metrics.generation import word_f1
from pipeline.evaluation.records.metric import Array
from pipeline.persona.task.text import normalise


NUM_TRIED = 300
MAX_WORDS = 40


def mean_f1(constant: str, replies: Sequence[str]) -> float:
    """Return 100 times the mean word F1 of one constant reply against `replies`."""
    return 100 * fsum(word_f1(constant, reply) for reply in replies) / len(replies)


def best_reply(train_replies: Sequence[str]) -> str:
    """Return the train reply with the highest mean word F1 against all train replies.

    Only NUM_TRIED replies are tried: those whose words are the most frequent for their length. Of
    equal replies the first in the file is returned.
    """
    features, lengths = _bags(train_replies)[1:]
    share = np.asarray(features.mean(axis=0)).ravel()
    promise = 2 * (features @ share) / (lengths + lengths.mean())
    _, first = np.unique([normalise(reply) for reply in train_replies], return_index=True)
    tried = np.sort(first)
    tried = np.sort(tried[np.argsort(-promise[tried], kind="stable")[:NUM_TRIED]])
    scores = [_mean_f1(features @ features[i].T, lengths, lengths[i]) for i in tried]
    return train_replies[tried[int(np.argmax(scores))]]


def frequent_words(train_replies: Sequence[str]) -> str:
    """Return the most frequent words of train, as many as give the highest mean word F1 on train.

    They are no sentence; ConvAI2's report shows how high such a "reply" scores.
    """
    names, features, lengths = _bags(train_replies)
    order = np.argsort(-np.asarray(features.sum(axis=0)).ravel(), kind="stable")[:MAX_WORDS]
    columns = features[:, order].tocsc()
    overlap = np.zeros(features.shape[0])  # (r,), with the first n words
    scores = []
    for n in range(len(order)):
        overlap += columns[:, [n]].toarray().ravel()
        scores.append(_mean_f1(overlap, lengths, n + 1))
    return " ".join(names[i].split()[0] for i in order[: int(np.argmax(scores)) + 1])


def _mean_f1(overlap: Any, lengths: Array, length: float) -> float:
    """Return the mean F1 from word overlaps, (r,) or sparse (r, 1)."""
    shared = overlap.toarray().ravel() if hasattr(overlap, "toarray") else overlap
    return float(np.mean(2 * shared / np.maximum(lengths + length, 1)))


def _bags(replies: Sequence[str]) -> tuple[Sequence[str], Any, Array]:
    """Return feature names, (f,), the binary matrix, (r, f), and each reply's words, (r,)."""
    vectorizer = CountVectorizer(analyzer=_occurrences, dtype=np.float64)
    features = vectorizer.fit_transform(replies)
    return (
        vectorizer.get_feature_names_out(),
        features,
        np.asarray(features.sum(axis=1)).ravel(),
    )


def _occurrences(reply: str) -> Iterable[str]:
    seen: Counter[str] = Counter()
    for word in normalise(reply).split():
        seen[word] += 1
        yield f"{word} {seen[word]}"

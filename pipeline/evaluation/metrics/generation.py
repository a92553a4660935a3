"""Metrics of generated text: the nucleus sample (`response`) and the greedy response. No torch.

ParlAI splits a text in two ways. F1 and emptiness use the words that `normalise` leaves (no case,
punctuation or articles). Length, repetition and diversity use the `words` of the split rule (lower
case; . , ; : ! ? are words). BLEU has sacrebleu's own split. No text is cut or corrected before,
and an empty response is a response.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

from pipeline.errors import DataError
from pipeline.evaluation.metrics.bleu import bleu_counts, bleu_of
from pipeline.evaluation.records.exact import ExactSum
from pipeline.evaluation.records.metric import Array, Metric, percent, ratio
from pipeline.evaluation.records.prediction import Prediction
from pipeline.persona.task.text import normalise, words


Field = Literal["response", "greedy"]


def word_f1(response: str, reference: str) -> float:
    """Return ParlAI's word F1, from 0 to 1 (Section 4.1).

    A word after `normalise` counts as often as it occurs. F1 is 0 where no word is shared, so also
    for an empty response or reference.

    >>> word_f1("the cat and a dog", "A dog , a dog !")
    0.4
    """
    return _f1_of(_bag(response), _bag(reference))


def _bag(text: str) -> Counter[str]:
    return Counter(normalise(text).split())


def _f1_of(predicted: Counter[str], gold: Counter[str]) -> float:
    shared = (predicted & gold).total()
    return 2 * shared / (predicted.total() + gold.total()) if shared else 0.0


def persona_overlap(text: str, sentences: Sequence[str]) -> float:
    """Return the highest word F1 of a text with one of the persona's sentences; 0 without any.

    The highest, not F1 with all sentences together: a reply takes up a sentence or two, and F1
    with a long bag would measure how long the persona is.

    >>> persona_overlap("i have a dog", ["i have two cats", "my dog is old"])
    0.5714285714285714
    """
    own = _bag(text)
    return max((_f1_of(own, _bag(sentence)) for sentence in sentences), default=0.0)


def repeated_bigrams(response: str) -> float:
    """Return the share of word bigrams that repeat an earlier one; 0 without a bigram.

    >>> repeated_bigrams("i am what i am")
    0.25
    """
    bigrams = list(pairwise(words(response)))
    return 1 - len(set(bigrams)) / len(bigrams) if bigrams else 0.0


def samples(record: Prediction) -> list[str]:
    """Return a reply's nucleus samples; the first is the one that Table 1 scores."""
    return [record.response or "", *(record.responses or ())]


def _of(
    field: Field,
    name: str,
    measure: Callable[[str], float],
    combine: Callable[[Array], Array],
    better: Literal["lower", "higher"],
) -> Metric:
    """Return the mean over replies of a measure of one text."""
    return Metric(
        f"{field}_{name}", lambda r: (measure(getattr(r, field) or ""), 1), combine, better, field
    )


def _f1(field: Field, name: str) -> Metric:
    return Metric(
        name,
        lambda r: (word_f1(getattr(r, field) or "", r.reference), 1),
        percent,
        "higher",
        field,
    )


def _bleu(field: Field, name: str) -> Metric:
    return Metric(
        name, lambda r: bleu_counts(getattr(r, field) or "", r.reference), bleu_of, "higher", field
    )


def _persona_f1(field: Literal["response", "greedy", "reference"], name: str) -> Metric:
    return Metric(
        name,
        lambda r: (persona_overlap(getattr(r, field) or "", r.persona or ()), 1),
        percent,
        "higher",
        "persona",
    )


def _mean_f1(record: Prediction) -> tuple[float, float]:
    drawn = samples(record)
    return sum(word_f1(response, record.reference) for response in drawn) / len(drawn), 1


f1 = _f1("response", "f1")
"""100 times the mean word F1 of the nucleus sample against the real reply; empty samples are 0."""

greedy_f1 = _f1("greedy", "greedy_f1")
"""The same for the greedy response."""

samples_f1 = Metric("samples_f1", _mean_f1, percent, "higher", "response")
"""100 times the mean word F1 of all nucleus samples of a reply, then over replies."""

bleu = _bleu("response", "bleu")
"""Corpus BLEU of the nucleus samples, from 0 to 100: one reference each, sacrebleu's default.

n-grams are pooled over replies before precisions are taken: it is no mean over sentences.
"""

greedy_bleu = _bleu("greedy", "greedy_bleu")
"""The same for the greedy responses."""

persona_f1 = _persona_f1("response", "persona_f1")
"""P-F1: 100 times the mean overlap of the nucleus sample with the persona's sentences.

The sentences are the dialogue's own, whether or not the variant's prompt holds them.
"""

greedy_persona_f1 = _persona_f1("greedy", "greedy_persona_f1")
"""The same for the greedy response."""

reference_persona_f1 = _persona_f1("reference", "reference_persona_f1")
"""The same for the real reply: what a person does with the same sentences."""

response_words = _of("response", "words", lambda text: len(words(text)), ratio, "higher")
"""Mean length of the nucleus sample in words of the split rule."""

response_empty = _of("response", "empty", lambda text: not normalise(text), percent, "lower")
"""Percent of nucleus samples of which `normalise` leaves no word, as of "!?" and "the"."""

response_repetition = _of("response", "repetition", repeated_bigrams, percent, "lower")
"""100 times the mean share of word bigrams that repeat one of the same response.

Repetitions of the history or of other responses are not counted.
"""

greedy_words = _of("greedy", "words", lambda text: len(words(text)), ratio, "higher")
"""Mean length of the greedy response in words of the split rule."""

greedy_empty = _of("greedy", "empty", lambda text: not normalise(text), percent, "lower")
"""Percent of greedy responses of which `normalise` leaves no word."""

greedy_repetition = _of("greedy", "repetition", repeated_bigrams, percent, "lower")
"""100 times the mean share of word bigrams that repeat one of the same greedy response."""

reference_words = Metric("reference_words", lambda r: (r.num_words, 1), ratio, "higher")
"""Mean length of the real replies, to compare the other lengths with."""


class SampleF1:
    """The mean word F1 of each nucleus sample; the records of a setting come in parts."""

    def __init__(self) -> None:
        self._sums: dict[int, list[ExactSum]] = {}  # by the number of samples
        self._replies = self._null = 0

    def add(self, records: Sequence[Prediction]) -> None:
        """Take some records."""
        for record in records:
            self._replies += 1
            if record.response is None:
                self._null += 1
                continue
            scores = [word_f1(sample, record.reference) for sample in samples(record)]
            sums = self._sums.setdefault(len(scores), [ExactSum() for _ in scores])
            for one, score in zip(sums, scores, strict=True):
                one.add((score,))

    def percents(self) -> list[float] | None:
        """Return 100 times the mean of each sample, Table 1's first; null without any.

        Raises:
            DataError: some replies have more samples than others, or none where others have.
        """
        if not f1.defined(self._replies, self._null):
            return None
        if len(self._sums) > 1:
            raise DataError("replies differ in their number of samples; run stage finetune again")
        (sums,) = self._sums.values()
        return [100 * one.value() / self._replies for one in sums]


def f1_by_sample(records: Sequence[Prediction]) -> list[float] | None:
    """Return 100 times the mean word F1 of each nucleus sample, Table 1's first; null without any.

    Raises:
        DataError: some replies have more samples than others.
    """
    scores = SampleF1()
    scores.add(records)
    return scores.percents()


GENERATION = (
    f1,
    greedy_f1,
    samples_f1,
    persona_f1,
    greedy_persona_f1,
    reference_persona_f1,
    bleu,
    greedy_bleu,
    response_words,
    response_empty,
    response_repetition,
    greedy_words,
    greedy_empty,
    greedy_repetition,
    reference_words,
)

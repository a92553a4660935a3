"""Which record has the most support dialogues in the prompt, and how many fit. No torch."""

from collections.abc import Mapping, Sequence
from math import fsum

from pipeline.evaluation.records.prediction import Prediction


def longest_prompts(
    prompted: Sequence[Prediction], zero: Sequence[Prediction], k: int
) -> list[Prediction]:
    """Return each reply's record with the most dialogues in the prompt, at most K of them.

    Where no dialogue fits into the prompt, the record at K = 0 is taken.

    Args:
        prompted: of protocol `in_context`.
        zero: of K-shot at K = 0.
        k: K.
    """
    longest = {_reply(record): record for record in zero}
    for record in sorted(prompted, key=lambda record: record.k):
        if record.k <= k and _reply(record) in longest:
            longest[_reply(record)] = record
    return list(longest.values())


def dialogues_that_fit(longest: Sequence[Prediction]) -> float:
    """Return how many dialogues the prompts hold, mean over replies."""
    return fsum(record.k for record in longest) / len(longest)


def same_prompts(fitted: Mapping[int, float]) -> dict[int, int]:
    """Return each K whose prompts are those of a smaller K, with that K; 0: not a dialogue fits.

    The prompt of a K holds that of every smaller K, so prompts of equal means are the same.

    Args:
        fitted: how many dialogues the prompts hold at each K over 0, as `dialogues_that_fit`.

    >>> same_prompts({1: 0.9, 3: 2.1, 5: 2.1}), same_prompts({1: 0.0})
    ({5: 3}, {1: 0})
    """
    first: dict[float, int] = {0.0: 0}
    smallest = {k: first.setdefault(fitted[k], k) for k in sorted(fitted)}
    return {k: smaller for k, smaller in smallest.items() if smaller != k}


def fit_words(k: int, fitted: float) -> str:
    """Return what stands behind a K whose prompts hold fewer dialogues on average; else nothing.

    >>> fit_words(3, 3.0), fit_words(3, 2.08), fit_words(5, 4.96)
    ('', ' (2.1 fit)', ' (4.96 fit)')
    """
    if fitted >= k:
        return ""
    rounded = (float(f"{fitted:.{digits}g}") for digits in range(2, 17))
    return f" ({next((one for one in rounded if one < k), fitted):.15g} fit)"


def _reply(record: Prediction) -> tuple[str, int, str, int]:
    return record.task_id, record.seed, record.dialogue_id, record.turn

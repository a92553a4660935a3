"""Prediction records with numbers that can be computed by hand."""

from typing import Any

from pipeline.evaluation.records.prediction import Prediction
from pipeline.persona.task.record import NUM_CANDIDATES


def a_prediction(**changes: Any) -> Prediction:
    """One test record: 3 tokens and a closing one, NLL only; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "task_id": "p0",
        "dialogue_id": "d0",
        "turn": 0,
        "seed": 0,
        "split": "test",
        "protocol": "leave_one_out",
        "k": 2,
        "epoch": 1,
        "nll": 3.0,
        "nll_end": 1.0,
        "num_tokens": 3,
        "num_words": 2,
        "reference": "i like dogs",
    }
    return Prediction(**(fields | changes))


def ranked(
    candidate_nll: list[float],
    /,
    tokens: list[int] | None = None,
    equals: list[bool] | None = None,
    **changes: Any,
) -> Prediction:
    """A record with candidates; the gold is the first, unless `equals` says otherwise."""
    size = len(candidate_nll)
    equals = [i == 0 for i in range(size)] if equals is None else equals
    return a_prediction(
        candidate_nll=candidate_nll,
        candidate_tokens=tokens or [1] * size,
        candidate_equals_gold=equals,
        candidate_in_support=[False] * size,
        gold=equals.index(True),
        **changes,
    )


def full(hit: bool = True, response: str = "i like dogs", **changes: Any) -> Prediction:
    """A record with all that finetune writes at the headline epoch."""
    gold, other = (1.0, 2.0) if hit else (2.0, 1.0)
    return ranked(
        [gold] + [other] * (NUM_CANDIDATES - 1), response=response, greedy=response, **changes
    )

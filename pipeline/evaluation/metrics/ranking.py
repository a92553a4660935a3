"""Ranking metrics over a reply's 20 candidates (Section 4.1's Hits@1). No torch.

Scores are nats, the lower the better. A candidate that equals the gold reply after `normalise`
(`candidate_equals_gold`) is gold as well. Golds do not compete with each other: the best of them
counts. A tie with another candidate is never a success; only `mean_rank` counts it half. A
candidate that is in the list twice competes twice. The closing token of a candidate is never
counted.

The `_clean` metrics leave out the candidates that the persona said in its support dialogues
(`candidate_in_support`): fine-tuning raises exactly these, and they are not wrong. The gold stays,
also where the persona said the same before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from pipeline.errors import DataError
from pipeline.evaluation.records.metric import Array, Metric, Needs, percent, ratio
from pipeline.evaluation.records.prediction import Prediction


Scores = Sequence[float]
IsGold = Sequence[bool]


def is_best(scores: Scores, is_gold: IsGold) -> bool:
    """Return whether every candidate with the lowest score is gold; so a tie is no hit."""
    lowest = min(scores)
    return all(gold for score, gold in zip(scores, is_gold, strict=True) if score == lowest)


def rank_of_gold(scores: Scores, is_gold: IsGold, tie: float = 0.5) -> float:
    """Return the rank, from 1, of the best gold candidate among those that are not gold.

    Each candidate that is level with it adds `tie`: 1 gives the worst rank over all ways to break
    ties, 0.5 the mean rank.
    """
    best = min(score for score, gold in zip(scores, is_gold, strict=True) if gold)
    others = [score for score, gold in zip(scores, is_gold, strict=True) if not gold]
    return 1 + sum(score < best for score in others) + tie * sum(score == best for score in others)


def _in_first_5(scores: Scores, is_gold: IsGold) -> bool:
    return rank_of_gold(scores, is_gold, tie=1) <= 5


def _reciprocal_rank(scores: Scores, is_gold: IsGold) -> float:
    return 1 / rank_of_gold(scores, is_gold, tie=1)


def by_mean(record: Prediction) -> list[float]:
    """Return each candidate's nats per token."""
    pairs = zip(record.candidate_nll or (), record.candidate_tokens or (), strict=True)
    return [nll / tokens for nll, tokens in pairs]


def by_sum(record: Prediction) -> list[float]:
    """Return each candidate's nats."""
    return record.candidate_nll or []


def by_pmi(record: Prediction) -> list[float]:
    """Return minus each candidate's pointwise mutual information with persona and history, nats.

    That is nats given persona and history minus nats without both, by the same adapted model.
    """
    pairs = zip(by_sum(record), record.candidate_nll_unconditional or (), strict=True)
    return [given - alone for given, alone in pairs]


def by_head(record: Prediction) -> list[float]:
    """Return minus each candidate's score by the variant's ranking head."""
    return [-score for score in record.candidate_head or ()]


_NEEDS: dict[object, Needs] = {
    by_pmi: "candidate_nll_unconditional",
    by_head: "candidate_head",
}


@dataclass(frozen=True)
class _RankMetric:
    """A metric of the candidates' order, before it is decided which candidates are in the list."""

    name: str
    score: Callable[[Prediction], list[float]]
    measure: Callable[[Scores, IsGold], float]
    combine: Callable[[Array], Array] = percent
    better: Literal["lower", "higher"] = "higher"

    def on(self, *, clean: bool) -> Metric:
        """Return the metric on the whole candidate list, or on the cleaned one."""

        def counts(record: Prediction) -> tuple[float, float]:
            return self.measure(*_list(record, self.score(record), clean)), 1

        needs = _NEEDS.get(self.score, "candidate_nll")
        name = f"{self.name}_clean" if clean else self.name
        return Metric(name, counts, self.combine, self.better, needs)


def _list(record: Prediction, scores: list[float], clean: bool) -> tuple[Scores, IsGold]:
    """Return scores and golds of the candidates that are in the list.

    Raises:
        DataError: a score is not finite.
    """
    if not all(map(isfinite, scores)):
        raise DataError(
            f"{record.dialogue_id}, turn {record.turn}: a candidate's NLL is not finite: "
            "fine-tuning diverged; lower finetune.lr"
        )
    is_gold = record.candidate_equals_gold or []
    if not clean:
        return scores, is_gold
    in_support = record.candidate_in_support or []
    candidates = zip(scores, is_gold, in_support, strict=True)
    kept = [(score, gold) for score, gold, said_before in candidates if gold or not said_before]
    return [score for score, _ in kept], [gold for _, gold in kept]


_BY_LIKELIHOOD = (
    _RankMetric("hits_at_1", by_mean, is_best),
    _RankMetric("hits_at_1_by_sum", by_sum, is_best),
    _RankMetric("hits_at_1_by_pmi", by_pmi, is_best),
    _RankMetric("hits_at_5", by_mean, _in_first_5),
    _RankMetric("mrr", by_mean, _reciprocal_rank, ratio),
    _RankMetric("mean_rank", by_mean, rank_of_gold, ratio, "lower"),
)
_BY_HEAD = (
    _RankMetric("hits_at_1_by_head", by_head, is_best),
    _RankMetric("hits_at_5_by_head", by_head, _in_first_5),
    _RankMetric("mrr_by_head", by_head, _reciprocal_rank, ratio),
    _RankMetric("mean_rank_by_head", by_head, rank_of_gold, ratio, "lower"),
)

hits_at_1, hits_at_1_by_sum, hits_at_1_by_pmi, hits_at_5, mrr, mean_rank = (
    metric.on(clean=False) for metric in _BY_LIKELIHOOD
)
hits_at_1_by_head = _BY_HEAD[0].on(clean=False)
"""On the whole list:

- hits_at_1: percent of replies where all candidates with the lowest nats per token are gold.
- hits_at_1_by_sum: the same by nats, which favours short candidates.
- hits_at_1_by_pmi: the same by pointwise mutual information, which favours candidates that are
  unlikely without context.
- hits_at_5: percent of replies with fewer than five other candidates at or below the best gold's
  nats per token.
- mrr: mean of 1 / (1 + other candidates at or below the best gold's nats per token), from 0 to 1.
- mean_rank: mean of 1 + other candidates below + half of the other candidates that are level;
  chance is 10.5 of 20 distinct candidates.

`..._by_head` are the same by the score of the head of next-utterance prediction, if the variant has
one.
"""

RANKING = tuple(r.on(clean=clean) for clean in (False, True) for r in (*_BY_LIKELIHOOD, *_BY_HEAD))


def cleaned_away(record: Prediction) -> int:
    """Return how many candidates the cleaned list leaves out."""
    pairs = zip(record.candidate_in_support or (), record.candidate_equals_gold or (), strict=True)
    return sum(in_support and not gold for in_support, gold in pairs)


candidates_cleaned_away = Metric(
    "candidates_cleaned_away", lambda r: (cleaned_away(r), 1), ratio, "lower", "candidate_nll"
)
"""Mean number of candidates per reply that the cleaned list leaves out."""

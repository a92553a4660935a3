"""A variant served in one way at one K, and signed sums of such sides. No torch.

The ways are: not adapted, fine-tuned on the person's own or on a stranger's dialogues, with a cache
of the own dialogues, with the own dialogues in the prompt. Each gives the NLL of the same replies.

Dimensions: p, personas; q, training seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pipeline.evaluation.records.cached import cached, with_cache
from pipeline.evaluation.records.headline import select
from pipeline.evaluation.records.metric import Array, Metric, nats_per_token
from pipeline.evaluation.records.overview import Overview
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.records.prompted import (
    dialogues_that_fit,
    longest_prompts,
    same_prompts,
)
from pipeline.evaluation.statistics.persona_values import Values, common, per_persona
from pipeline.evaluation.statistics.seeds import sums_by_cell


Way = Literal["not adapted", "fine-tuned", "a stranger's", "a cache", "in the prompt"]


@dataclass(frozen=True)
class Side:
    """The records of one way at one K, and what is counted in them."""

    records: Sequence[Prediction]
    metric: Metric = nats_per_token
    fitted: float | None = None  # dialogues in the prompt, mean over replies; null: no prompt


Signed = tuple[int, Side]  # 1 or -1


class Sides:
    """One variant's sides; K null stands for Table 1's setting."""

    def __init__(self, records: Sequence[Prediction]) -> None:
        self._overview = Overview.of(records)
        self._test = [record for record in records if record.split == "test"]

    @property
    def shots(self) -> list[int]:
        """The K of K-shot, increasing."""
        return self._overview.shots()

    def of(self, way: Way, k: int | None) -> Side | None:
        """Return a side; null where it was not run, or its prompts are a smaller K's or empty."""
        if way == "in the prompt":
            prompts = None if k is None else self._prompts.get(k)
            return Side(prompts, fitted=dialogues_that_fit(prompts)) if prompts else None
        metric, records = nats_per_token, self._records(way, k)
        if way == "a cache":
            weight = self._overview.cache_weight(k)
            if weight is None:
                return None
            metric = cached(weight)
        return Side(records, metric) if records else None

    def _records(self, way: Way, k: int | None) -> list[Prediction]:
        protocol = "leave_one_out" if k is None else "k_shot"
        epoch = self._overview.headline if k is None else self._overview.epoch_at(k)
        if way == "not adapted" or k == 0:
            return self._select(protocol, 0, None if k is None else 0)
        if way == "fine-tuned":
            return self._select(protocol, epoch, k)
        if way == "a cache":
            return with_cache(self._select(protocol, None, k))
        return self._select("swap" if k is None else "k_shot_swap", epoch, k)  # a stranger's

    @cached_property
    def _prompts(self) -> dict[int, list[Prediction]]:
        """The records with K dialogues in the prompt, by K; not those that are a smaller K's."""
        prompted = self._select("in_context", 0, None)
        zero = self._select("k_shot", 0, 0)
        shots = [k for k in self.shots if k] if prompted and zero else []
        longest = {k: longest_prompts(prompted, zero, k) for k in shots}
        same = same_prompts({k: dialogues_that_fit(records) for k, records in longest.items()})
        return {k: records for k, records in longest.items() if k not in same}

    def _select(self, protocol: str, epoch: int | None, k: int | None) -> list[Prediction]:
        return select(self._test, "test", protocol, epoch=epoch, k=k)  # type: ignore[arg-type]


def signed_sum(sides: Sequence[Signed]) -> Values:
    """Return the signed sum of the NLLs of each persona, on the replies that all sides score."""
    shared = common(*(side.records for _, side in sides))
    if not shared[0]:
        return {}
    each = [per_persona(s.metric, r) for (_, s), r in zip(sides, shared, strict=True)]
    signs = [sign for sign, _ in sides]
    return {
        persona: sum(sign * values[persona] for sign, values in zip(signs, each, strict=True))
        for persona in each[0]
    }


def common_seeds(sides: Sequence[Signed]) -> list[int]:
    """Return the training seeds that all sides have."""
    each = ({record.seed for record in side.records} for _, side in sides)
    return sorted(set.intersection(*each))


def signed_cells(sides: Sequence[Signed], seeds: Sequence[int]) -> Array:
    """Return the signed sum for each persona and seed, (p, q)."""
    shared = common(*(side.records for _, side in sides))
    cells = [
        sign
        * side.metric.combine(sums_by_cell(side.metric, [r for r in records if r.seed in seeds]))
        for (sign, side), records in zip(sides, shared, strict=True)
    ]
    return sum(cells[1:], start=cells[0])

"""Sums of likelihoods after K dialogues, by person and seed: any interval can be made again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationInfo, model_validator

from pipeline.errors import DataError
from pipeline.evaluation.few_shot.shot_cells import Cells, check_cells
from pipeline.evaluation.metrics.likelihood import ppl_per_word
from pipeline.evaluation.records.cached import cache_choice, cached
from pipeline.evaluation.records.metric import Array, Metric, nats_per_token
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.records.prompted import (
    dialogues_that_fit,
    longest_prompts,
    same_prompts,
)
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from pipeline.evaluation.schemas.base import Schema
from pipeline.evaluation.schemas.bounds import is_read
from pipeline.evaluation.statistics.seeds import sums_by_cell
from pipeline.params import AtK


NATS = "nats per token"  # the number's name in errors
DIGITS = 6  # of a sum of nats


def shots_file(variant: str) -> Path:
    """Where a variant's sums lie; no stage's out."""
    return Path("shots") / f"{variant}.json"


# How the K dialogues are used; a stranger's dialogues stand in the place of the person's.
Way = Literal["gradient", "prompt", "cache", "stranger", "stranger_prompt"]

IN_WORDS: dict[Way, str] = {
    "gradient": "",
    "prompt": ", in the prompt",
    "cache": ", as a cache",
    "stranger": ", a stranger's",
    "stranger_prompt": ", a stranger's in the prompt",
}
WAYS: tuple[Way, ...] = tuple(IN_WORDS)
PROMPTS: tuple[Way, ...] = ("prompt", "stranger_prompt")  # whose dialogues have to fit the context


class ShotSums(Schema):
    """`shots/VARIANT.json`: what `python -m stages.shots` writes of one variant."""

    seeds: list[int]
    personas: list[str]
    by_k: list[AtK]  # how it was fine-tuned; a K that is not here by section `finetune` itself
    tuned: Mapping[int, Cells]  # by K
    # The same replies without closing tokens: [nats, words]. Not in files of earlier commits.
    by_word: Mapping[int, Cells] = Field(default_factory=dict)
    prompted: Mapping[int, Cells]  # with K dialogues in the prompt, no gradient; or empty
    prompted_k: Mapping[int, float]  # dialogues that the prompt held, mean over replies
    cached: Mapping[int, Cells] = Field(default_factory=dict)  # with a cache of K dialogues
    # λ at each K, chosen on valid.
    cache_weight: Mapping[int, Annotated[float, Field(ge=0, lt=1)]] = Field(default_factory=dict)
    stranger: Mapping[int, Cells] = Field(default_factory=dict)  # by K dialogues of a stranger
    stranger_prompted: Mapping[int, Cells] = Field(default_factory=dict)  # with these in the prompt
    stranger_prompted_k: Mapping[int, float] = Field(default_factory=dict)  # as `prompted_k`
    replies: str | None = None  # SHA-256 of the replies; absent from older files, as `made_from`
    tasks: str | None = None  # of data/tasks; `made_from` says it since there is one
    made_from: AdaptedFrom | None = None

    @model_validator(mode="after")
    def _every_cell_is_there(self, info: ValidationInfo) -> "ShotSums":
        shape = (len(self.personas), len(self.seeds), 2)
        if is_read(info):
            for name, own in (("personas", self.personas), ("seeds", self.seeds)):
                if len({*own}) < len(own):
                    raise ValueError(f"{name}: one is there twice")
            for way in WAYS:
                for k, cells in self.by(way).items():
                    check_cells(cells, shape, f"{way}, K = {k}")
            for k, cells in self.by_word.items():  # a reply may have no words
                check_cells(cells, shape, f"by_word, K = {k}", least=0)
        return self

    @model_validator(mode="after")
    def _prompts_are_counted(self, info: ValidationInfo) -> "ShotSums":
        for way in PROMPTS if is_read(info) else ():
            fitted = self.fitted(way)
            for k in self.by(way):
                if not 0 <= fitted.get(k, -1) <= k:
                    known = f"{fitted[k]:g} found" if k in fitted else "it is not there"
                    raise ValueError(
                        f"{way}, K = {k}: how many of the dialogues fit, 0 to {k}, was expected, "
                        f"{known}"
                    )
        return self

    def by(self, way: Way) -> Mapping[int, Cells]:
        """Return the sums of one way of using the dialogues, by K."""
        ways: dict[Way, Mapping[int, Cells]] = {
            "gradient": self.tuned,
            "prompt": self.prompted,
            "cache": self.cached,
            "stranger": self.stranger,
            "stranger_prompt": self.stranger_prompted,
        }
        return ways[way]

    def fitted(self, way: Way) -> Mapping[int, float]:
        """Return how many dialogues the prompts of a way held on average, by K.

        Older files do not say it of a stranger's. Where all of the person's own fit, there was
        room, and K is taken.
        """
        if way == "prompt":
            return self.prompted_k
        if way != "stranger_prompt" or self.stranger_prompted_k:
            return self.stranger_prompted_k if way == "stranger_prompt" else {}
        return {k: k for k in self.stranger_prompted if self.prompted_k.get(k) == k}

    def same_prompts(self, way: Way) -> dict[int, int]:
        """Return each K at which no more dialogues fit than at a smaller K, with that K."""
        return same_prompts(self.fitted(way))

    def shots(self, way: Way) -> list[int]:
        """Return the K at which a way has a result of its own, increasing."""
        return sorted(self.by(way).keys() - self.same_prompts(way).keys())

    def nats(self, k: int, way: Way = "gradient") -> Array:
        """Return the nats per token of each person and seed after K dialogues, (p, q).

        Raises:
            DataError: it was not scored at this K.
        """
        of = self.by(way)
        if k not in of:
            raise DataError(f"no sums at K = {k}; run shots again with K in finetune.k")
        cells: Array = nats_per_token.combine(np.array(of[k]))
        return cells


def shot_sums(
    tuned: Sequence[Prediction],
    prompted: Sequence[Prediction] | None,
    by_k: Sequence[AtK],
    shots: Sequence[int],
    adapted: Sequence[int] | None = None,
) -> ShotSums:
    """Return the sums of a variant's records.

    Args:
        tuned: of K-shot folds, for each K at one epoch; some at every K.
        prompted: of the same queries with dialogues in the prompt; empty: not one fits anywhere;
            null: not asked for.
        by_k: how the variant was fine-tuned.
        shots: the K.
        adapted: those that were adapted to by gradient steps; null: all of them. With `prompted`,
            0 is one of them.

    Raises:
        DataError: a person lacks a seed.
    """
    by_shots = {k: [r for r in tuned if r.k == k] for k in (adapted or shots)}
    asked = [] if prompted is None else [k for k in shots if k]
    longest = {k: longest_prompts(prompted or [], by_shots[0], k) for k in asked}
    return ShotSums(
        seeds=sorted({record.seed for record in tuned}),
        personas=sorted({record.task_id for record in tuned}),
        by_k=list(by_k),
        tuned={k: _cells(records) for k, records in by_shots.items()},
        by_word={k: _cells(records, ppl_per_word) for k, records in by_shots.items()},
        prompted={k: _cells(records) for k, records in longest.items()},
        prompted_k={k: dialogues_that_fit(records) for k, records in longest.items()},
    )


def cache_sums(
    before: ShotSums, valid: Sequence[Prediction], test: Sequence[Prediction]
) -> ShotSums:
    """Return the sums with those of a cache; the weight at each K is the best on valid.

    Args:
        before: the variant's sums.
        valid: records with `cache_nll` of valid people.
        test: of test people.

    Raises:
        DataError: the people or seeds are others than those of `before`.
    """
    choice = cache_choice(valid)
    shots = sorted({record.k for record in test})
    weights = {k: weight for k in shots if (weight := choice.weight(k)) is not None}
    people = sorted({record.task_id for record in test})
    seeds = sorted({record.seed for record in test})
    if (people, seeds) != (before.personas, before.seeds):
        raise DataError("the cache was scored on other people or seeds; run shots again")
    sums = {
        k: sums_by_cell(cached(weight), [record for record in test if record.k == k])
        for k, weight in weights.items()
    }
    return before.model_copy(
        update={
            "cached": {k: np.round(cells, DIGITS).tolist() for k, cells in sums.items()},
            "cache_weight": {k: float(weight) for k, weight in weights.items()},
        }
    )


def stranger_sums(
    before: ShotSums, by_k: Mapping[int, Sequence[Prediction]], *, in_prompt: bool
) -> ShotSums:
    """Return the sums with those after a stranger's dialogues, in the place of the person's.

    Args:
        before: the variant's sums.
        by_k: the records after K > 0 dialogues of a stranger, at one epoch.
        in_prompt: the dialogues were in the prompt; else they were adapted to.

    Raises:
        DataError: the people or seeds are others than those of `before`.
    """
    for k, own in by_k.items():
        people, seeds = sorted({r.task_id for r in own}), sorted({r.seed for r in own})
        if (people, seeds) != (before.personas, before.seeds):
            raise DataError(
                f"K = {k}: after strangers' dialogues {len(people)} people were scored by seeds "
                f"{seeds}, after their own {len(before.personas)} by {before.seeds}; lower "
                "finetune.k, or run shots again"
            )
    cells = {k: _cells(own) for k, own in by_k.items()}
    if not in_prompt:
        return before.model_copy(update={"stranger": cells})
    fitted = {k: dialogues_that_fit(own) for k, own in by_k.items()}
    return before.model_copy(update={"stranger_prompted": cells, "stranger_prompted_k": fitted})


def _cells(records: Sequence[Prediction], metric: Metric = nats_per_token) -> Cells:
    rounded: Cells = np.round(sums_by_cell(metric, records), DIGITS).tolist()
    return rounded

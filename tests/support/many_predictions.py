"""Predictions of any number of people, as stage `finetune` would write them: to measure `score`.

`python -m tests.support.many_predictions FOLDER PEOPLE` writes variant `many` with PEOPLE test
persons and half as many valid ones: 14 replies each, every protocol, 235 records per test person.
The records are made up from a seed; the texts share a small vocabulary.
"""

import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from random import Random
from typing import Any

from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.records.prediction import Prediction


VARIANT = "many"
DIALOGUES, TURNS, CANDIDATES, WORDS = 2, 7, 20, 3000
EPOCHS, SHOTS = (0, 1, 3), (0, 1, 3, 8)
HEADLINE = 3


def records(people: int, seeds: tuple[int, ...] = (0,)) -> Iterator[Prediction]:
    """Yield the records in the order of `finetune`: valid, then test; by seed, then by person."""
    for split, size in (("valid", people // 2), ("test", people)):
        for seed in seeds:
            for number in range(size):
                yield from _of_person(f"{split}-persona-{number:05d}", split, seed)


def write(folder: Path, people: int, seeds: tuple[int, ...] = (0,)) -> int:
    """Write variant `many` into a folder, with its identity; return the number of records."""
    made_from = {
        "params": {
            "seeds": list(seeds),
            "finetune": {"epochs": list(EPOCHS), "k": list(SHOTS)},
        },
        "tasks": "0" * 64,
        "base": "1" * 64,
        "models": {str(seed): "2" * 64 for seed in seeds},
        "made_with": {},
    }
    with chdir(folder):
        return predictions_file.write(VARIANT, records(people, seeds), made_from)


def _of_person(name: str, split: str, seed: int) -> Iterator[Prediction]:
    texts, numbers = Random(f"texts/{name}"), Random(f"numbers/{name}/{seed}")
    for dialogue in range(DIALOGUES if split == "test" else 1):
        for turn in range(TURNS):
            reply = {
                "task_id": name,
                "dialogue_id": f"{name}-{dialogue}",
                "turn": turn,
                "seed": seed,
                "split": split,
                "reference": _said(texts),
            }
            for setting in _settings(split):
                whole = split == "test" and setting["epoch"] in (0, HEADLINE)
                yield Prediction(**reply, **setting, **_scores(numbers, setting["epoch"], whole))


def _settings(split: str) -> Iterator[dict[str, Any]]:
    for epoch in EPOCHS:
        yield {"protocol": "leave_one_out", "k": 9, "epoch": epoch}
        if split == "test":
            yield {"protocol": "swap", "k": 9, "epoch": epoch}
            yield from ({"protocol": "k_shot", "k": k, "epoch": epoch} for k in SHOTS if k)
    if split == "test":
        yield {"protocol": "k_shot", "k": 0, "epoch": 0}
        yield {"protocol": "in_context", "k": 1, "epoch": 0}


def _scores(random: Random, epoch: int, whole: bool) -> dict[str, Any]:
    size = random.randint(3, 14)
    scores: dict[str, Any] = {
        "nll": size * random.uniform(1, 3) * (0.9 if epoch == HEADLINE else 1),
        "nll_end": random.random(),
        "num_tokens": size,
        "num_words": size,
    }
    if not whole:
        return scores
    gold = random.randrange(CANDIDATES)
    nll = [size * random.uniform(1, 4) for _ in range(CANDIDATES)]
    return scores | {
        "candidate_nll": nll,
        "candidate_nll_unconditional": [value + random.random() for value in nll],
        "candidate_tokens": [random.randint(3, 14) for _ in range(CANDIDATES)],
        "candidate_equals_gold": [i == gold for i in range(CANDIDATES)],
        "candidate_in_support": [random.random() < 0.1 for _ in range(CANDIDATES)],
        "gold": gold,
        "response": _said(random),
        "greedy": _said(random),
    }


def _said(random: Random) -> str:
    """Return a text whose words are as unequal in frequency as a language's."""
    return (
        " ".join(f"w{int(WORDS ** random.random())}" for _ in range(random.randint(4, 14))) + " ."
    )


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), int(sys.argv[2])), "records")  # noqa: T201

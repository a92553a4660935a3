"""DVC stage `floors`: what needs no learning of ours, and the synthetic corpus's oracle."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from pipeline import artifacts
from pipeline.evaluation.floors.measure import measure_floors
from pipeline.evaluation.floors.unigram import Oracle, read_tokens
from pipeline.persona.task.record import PersonaTask
from stages.shell import console


@dataclass(frozen=True)
class _Tasks:
    """A split's tasks, read anew each time they are gone through: one is in memory at a time."""

    split: str

    def __iter__(self) -> Iterator[PersonaTask]:
        path = artifacts.tasks_file(self.split)
        return artifacts.iterate_records(path, PersonaTask, made_by="tasks")


def _oracle() -> Oracle | None:
    """Return the grammar's log-probabilities; a corpus that people wrote has none."""
    if not artifacts.RAW_ORACLE.is_file():
        return None
    return cast(Oracle, artifacts.read_json(artifacts.RAW_ORACLE, made_by="download"))


def floors() -> None:
    """Score rankers, replies and a language model that learned nothing from us."""
    tokens = read_tokens(artifacts.BASE / "tokenizer.json")
    measured = measure_floors(_Tasks("train"), _Tasks("test"), tokens, _oracle())
    artifacts.write_json(artifacts.FLOORS, measured.content())
    shown = [
        f"{name} {metric} {value:.4g}"
        for name, floor in measured
        for metric, value in floor or ()
        if isinstance(value, float)
    ]
    console.out.print(f"{artifacts.FLOORS}: {', '.join(shown)}")


if __name__ == "__main__":
    console.run(floors)

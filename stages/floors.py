"""DVC stage `floors`: what needs no learning of ours, and the synthetic corpus's oracle."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from pipeline import artifacts
from pipeline.evaluation.floors.measure import measure_floors
from pipeline.evaluation.floors.unigram import Oracle, read_tokens
from pipeline.evaluation.schemas.floors import Floors
from pipeline.evaluation.schemas.made_from import MeasuredFrom, refuse_other_corpus
from pipeline.outs import Snapshot
from pipeline.persona.task.record import PersonaTask
from pipeline.progress import Advance
from stages.shell import console
from stages.shell.in_force import refuse_edited_code
from stages.shell.progress.shown import progress


@dataclass
class _Tasks:
    """A split's tasks, read anew each time they are gone through: one is in memory at a time."""

    split: str
    advance: Advance
    read: int = 0

    def __iter__(self) -> Iterator[PersonaTask]:
        path = artifacts.tasks_file(self.split)
        for task in artifacts.iterate_records(path, PersonaTask, made_by="tasks"):
            self.read += 1
            self.advance(self.read, f"of {self.split}")
            yield task


def _oracle() -> Oracle | None:
    """Return the grammar's log-probabilities; a corpus that people wrote has none."""
    if not artifacts.RAW_ORACLE.is_file():
        return None
    oracle = cast(Oracle, artifacts.read_json(artifacts.RAW_ORACLE, made_by="download"))
    return {"test": oracle.get("test", ())}  # the rest may go


def floors() -> None:
    """Score rankers, replies and a language model that learned nothing from us."""
    refuse_other_corpus()
    raw = [artifacts.RAW, artifacts.RAW_ORACLE] if artifacts.RAW_ORACLE.is_file() else []
    read = Snapshot([*raw, artifacts.TASKS, artifacts.BASE])
    tokens = read_tokens(artifacts.BASE / "tokenizer.json")
    oracle = _oracle()
    with progress("floors", None, unit="people read") as advance:
        train, test = (_Tasks(split, advance) for split in ("train", "test"))
        measured = measure_floors(train, test, tokens, oracle)
    read.refuse_changed()
    made_from = MeasuredFrom(
        tasks=read.digests[artifacts.TASKS],
        base=read.digests[artifacts.BASE],
        oracle=None if oracle is None else read.digests[artifacts.RAW_ORACLE],
    )
    refuse_edited_code()
    whole = Floors(**measured.set_fields(), made_from=made_from)
    artifacts.write_sealed(artifacts.FLOORS, whole.content())
    shown = [
        f"{name} {metric} {value:.4g}"
        for name, floor in measured
        for metric, value in floor or ()
        if isinstance(value, float)
    ]
    look = "`python -m stages.table` shows them below the variants"
    console.wrote(artifacts.FLOORS, ", ".join(shown), look)


if __name__ == "__main__":
    console.run(floors)

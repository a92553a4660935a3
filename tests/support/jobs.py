"""Jobs of one record each, for the tests of workers; quicker to import than `finetune`'s own."""

from dataclasses import dataclass

from pipeline.evaluation.records.prediction import Prediction


@dataclass(frozen=True)
class Job:
    """One persona of a split, by one training seed's model, as `PersonaJob`."""

    seed: int
    split: str
    index: int

    @property
    def name(self) -> str:
        return f"{self.split}/{self.seed}/{self.index}"

    @property
    def run(self) -> tuple[str, int]:
        return self.split, self.seed


def record(job):
    return Prediction(
        task_id=f"t{job.index}",
        dialogue_id="d",
        turn=0,
        seed=job.seed,
        split="test",
        protocol="leave_one_out",
        k=1,
        epoch=0,
        nll=1 / 3,
        nll_end=0.1,
        num_tokens=2,
        num_words=2,
        reference="é",
    )


def ignore(*_):
    pass


JOBS = [Job(seed, "test", index) for seed in (0, 1) for index in range(4)]

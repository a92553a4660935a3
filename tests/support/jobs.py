"""Jobs of one record each, for the tests of workers."""

from pipeline.evaluation.predict.persona import PersonaJob
from pipeline.evaluation.records.prediction import Prediction


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


JOBS = [PersonaJob(seed, "test", index, 1) for seed in (0, 1) for index in range(4)]

"""One variant's records at every setting that score reads, with numbers worked out by hand."""

from types import SimpleNamespace

from pipeline.evaluation.scoring.details import score_variant
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from tests.support.prediction_builder import a_prediction, full


BOOTSTRAP = Bootstrap(samples=100, seed=0)


SAID = {0: "i like dogs", 1: "cats"}


def records_of(person):
    """All settings of a persona; 4 tokens each. Epoch 1 is best on valid, 3 on test."""
    name = f"p{person}"
    for epoch, nll in ((0, 7.0), (1, 3.0), (3, 5.0)):
        yield a_prediction(task_id=f"v{person}", split="valid", epoch=epoch, nll=nll)
    for epoch, nll in ((0, 7.0), (1, 3.0 + person), (3, 0.0)):
        make = a_prediction if epoch == 3 else full
        extra = {} if epoch == 3 else {"hit": epoch == 1, "response": SAID[person]}
        yield make(task_id=name, epoch=epoch, nll=nll, **extra)
        yield make(task_id=name, epoch=epoch, nll=nll, protocol="k_shot", k=3, **extra)
        yield a_prediction(task_id=name, epoch=epoch, nll=nll + epoch, protocol="swap")
    yield full(hit=False, response="", task_id=name, epoch=0, nll=7.0, protocol="k_shot", k=0)


RECORDS = [record for person in (0, 1) for record in records_of(person)]


def written(records, bootstrap):
    """What the three files hold."""
    scores = score_variant(records, bootstrap)
    return SimpleNamespace(
        metrics=scores.metrics.content(), kshot=scores.kshot, details=scores.details.content()
    )

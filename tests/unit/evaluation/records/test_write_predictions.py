"""A run that ends while it writes predictions: those before are lost at no moment but the last."""

import pytest

from pipeline import artifacts
from pipeline.errors import MissingFileError
from pipeline.evaluation.records import predictions_file
from tests.support.prediction_builder import a_prediction
from tests.support.predictions_on_disk import write_predictions


VARIANT = "transfer"


def records(nll):
    return [a_prediction(epoch=epoch, nll=nll) for epoch in (0, 1)]


@pytest.fixture
def old(tmp_path, monkeypatch):
    """Predictions of an earlier run."""
    monkeypatch.chdir(tmp_path)
    write_predictions(tmp_path, VARIANT, records(3.0))
    return predictions_file.read_identity(VARIANT).model_dump(
        include={"params", "tasks", "base", "models", "made_with"}
    )


class KilledError(BaseException):
    """The process ends."""


def killed_after_one():
    yield records(9.0)[0]
    raise KilledError


def test_the_old_predictions_are_there_while_new_ones_are_written(old):
    with pytest.raises(KilledError):
        predictions_file.write(VARIANT, killed_after_one(), old)
    assert predictions_file.read(VARIANT) == records(3.0)


def test_new_records_never_stand_beside_the_old_identity(old, monkeypatch):
    """The identity is removed when all records are on the disk, before they get their name."""
    seen = []
    unlink, replace = (getattr(artifacts.Path, name) for name in ("unlink", "replace"))

    def unlinked(path, **options):
        if path == artifacts.identity_file(VARIANT):
            seen.append("identity removed")
            (scratch,) = artifacts.PREDICTIONS.glob(".*.partial")
            assert len(scratch.read_text().splitlines()) == 2
        unlink(path, **options)

    def renamed(path, target):
        if target == artifacts.predictions_file(VARIANT):
            seen.append("records renamed")
            assert not artifacts.identity_file(VARIANT).exists()
        return replace(path, target)

    monkeypatch.setattr(artifacts.Path, "unlink", unlinked)
    monkeypatch.setattr(artifacts.Path, "replace", renamed)
    predictions_file.write(VARIANT, records(9.0), old)
    assert seen == ["identity removed", "records renamed"]
    assert predictions_file.read(VARIANT) == records(9.0)


def test_killed_right_after_the_records_got_their_name(old, monkeypatch):
    def killed(*_):
        raise KilledError

    monkeypatch.setattr(artifacts, "write_json", killed)
    with pytest.raises(KilledError):
        predictions_file.write(VARIANT, records(9.0), old)
    with pytest.raises(MissingFileError, match=r"transfer\.json"):
        predictions_file.read(VARIANT)

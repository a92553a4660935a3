"""Errors come back from a worker process as they are."""

import pickle

import pytest

from pipeline import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.MissingFileError("models/x", "train"),
        *(
            kind("words")
            for kind in vars(errors).values()
            if isinstance(kind, type) and kind is not errors.MissingFileError
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_can_be_sent(error):
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert back.exit_code == error.exit_code

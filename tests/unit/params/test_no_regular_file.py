"""params.yaml that is a pipe or a folder: one line, and no waiting."""

import os

import pytest

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.params import Settings


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    if kind == "pipe":
        os.mkfifo(artifacts.PARAMS)
        monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: pytest.fail("it waits"))
    else:
        artifacts.PARAMS.mkdir()
    with pytest.raises(ParamsError, match=rf"params\.yaml: a regular file .* found a {kind}"):
        Settings.load()

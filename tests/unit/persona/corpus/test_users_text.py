"""Stage download replaces a data/pretrain.txt of its own, and nobody else's."""

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from stages import download as stage
from tests.support.toy_project import toy_params, write_params


TEXT = artifacts.PRETRAIN_TEXT


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = toy_params()
    params["data"]["synthetic"]["pretrain_lines"] = 100
    write_params(tmp_path, params)


@pytest.mark.parametrize("before", [False, True])
def test_a_text_of_the_users_is_refused(before):
    """There before the first run, or written over what the stage wrote."""
    if not before:
        stage.download()
    artifacts.write_text(TEXT, "mine\n")
    with pytest.raises(DataError, match=r"^data/pretrain\.txt: not as stage download wrote it, wh"):
        stage.download()
    assert TEXT.read_text() == "mine\n"
    TEXT.unlink()
    stage.download()
    stage.download()


def test_a_run_that_ends_between_its_outs_can_be_gone_on_from(monkeypatch):
    stage.download()
    params = toy_params()
    params["data"]["synthetic"]["pretrain_lines"] = 200
    write_params(TEXT.parent.parent, params)
    publish = artifacts.Path.rename

    def no_folder(path, to):
        if to == artifacts.RAW:
            raise KeyboardInterrupt
        return publish(path, to)

    with monkeypatch.context() as patched:
        patched.setattr(artifacts.Path, "rename", no_folder)
        with pytest.raises(KeyboardInterrupt):
            stage.download()
    assert len(TEXT.read_text().split("\n")) > 150
    stage.download()
    assert not stage.PUBLISHED.exists()

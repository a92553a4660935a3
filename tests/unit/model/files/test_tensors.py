"""Tensor files: a full disk has its number again, a cut file is named with what to do."""

import errno
import resource
import signal

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.model.files.tensors import read_tensors, write_tensors


TENSORS = {"b": torch.arange(6.0).reshape(2, 3).T, "a": torch.ones(2)}


def test_what_is_written_is_read(tmp_path):
    write_tensors(TENSORS, tmp_path / "x")
    tensors = read_tensors(tmp_path / "x", remedy="")
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())


def test_order_does_not_show_in_the_bytes(tmp_path):
    write_tensors(TENSORS, tmp_path / "x")
    write_tensors(dict(sorted(TENSORS.items())), tmp_path / "y")
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


@pytest.fixture
def small_files():
    """No file may grow over 100 bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("small_files")
def test_what_the_system_refuses_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="too large") as caught:
        write_tensors(TENSORS, tmp_path / "x")
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(tmp_path / "x")


def test_a_cut_file_is_a_model_error_with_the_remedy(tmp_path):
    write_tensors(TENSORS, tmp_path / "x")
    whole = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(whole[:-3])
    with pytest.raises(ModelError, match=r"x: corrupt .*; make it again"):
        read_tensors(tmp_path / "x", remedy="make it again")

"""Models from .gguf files: what is refused, and before what."""

import pytest

from pipeline.errors import ModelError
from pipeline.model.base import gguf_file
from pipeline.model.pretraining.build import build_base
from tests.support.bases import base_params, ignore


@pytest.mark.parametrize("name", ["none.gguf", "none.GGUF"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    source = base_params(str(tmp_path / name))
    with pytest.raises(ModelError, match=rf"{name}': no such file"):
        build_base(source, tmp_path / "text", tmp_path / "base", advance=ignore)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"PK\x03\x04 a pickle, say")
    with pytest.raises(ModelError, match="not a GGUF file"):
        gguf_file.read_gguf(path)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setattr(gguf_file, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs gguf and accelerate; pip install .*\[gguf\]"):
        gguf_file.read_gguf(path)


def test_a_file_that_is_cut_short_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00")
    monkeypatch.setattr(gguf_file, "find_spec", lambda name: object())
    with pytest.raises(ModelError, match="transformers cannot read this file") as caught:
        gguf_file.read_gguf(path)
    assert "\n" not in str(caught.value)

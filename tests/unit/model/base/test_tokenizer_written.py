"""A tokenizer's files on a disk that is full: one error that names the file, no traceback."""

import errno
from pathlib import Path

import pytest

from pipeline.errors import ModelError
from pipeline.model.base.tokenizer_files import write_tokenizer


class Broken:
    def save_pretrained(self, folder):
        raise Exception("No space left on device (os error 28)")


def test_compiled_code_that_gives_up_is_one_line(tmp_path):
    with pytest.raises(ModelError, match=r"no tokenizer can be written: No space left on device"):
        write_tokenizer(Broken(), tmp_path)


def test_a_disk_that_is_full_names_the_file(tokenizer, tmp_path, monkeypatch):
    own = Path.write_bytes

    def full(path, content):
        if path.parent == tmp_path:
            raise OSError(errno.ENOSPC, "No space left on device")
        return own(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/\w+\.\w+'"):
        write_tokenizer(tokenizer, tmp_path)
    monkeypatch.undo()
    write_tokenizer(tokenizer, tmp_path)
    assert (tmp_path / "tokenizer.json").is_file()

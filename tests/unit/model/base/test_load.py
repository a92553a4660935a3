"""Loading φ: a folder that is missing, damaged or without the special tokens is refused."""

import shutil

import pytest

from pipeline.errors import MissingFileError, ModelError, PipelineError
from pipeline.model.base.load import load_base


@pytest.fixture
def copy(built, tmp_path):
    return shutil.copytree(built[0], tmp_path / "copy")


def test_loading_what_is_not_there_names_the_stage(tmp_path):
    with pytest.raises(MissingFileError, match=r"stages\.base"):
        load_base(tmp_path / "none")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["remove", "truncate"])
def test_a_damaged_base_is_refused_in_one_line(copy, name, damage):
    path = copy / name
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(PipelineError) as caught:
        load_base(copy)
    assert isinstance(caught.value, ModelError)
    assert str(copy) in str(caught.value)


def test_a_base_without_special_tokens_is_refused(gpt2):
    with pytest.raises(ModelError, match="lacks the special tokens; run stage base again"):
        load_base(gpt2)

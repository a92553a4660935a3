"""A base pre-trained at toy size, and a plain GPT-2 folder cut from it."""

import pytest
import torch

from pipeline.model.base.huggingface_folder import write_model
from pipeline.model.base.tokenizer import load_tokenizer, train_tokenizer
from tests.support.bases import a_text, base_params, build, model_of


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "pretrain.txt"
    path.write_text(a_text())
    return path


@pytest.fixture(scope="session")
def built(tmp_path_factory, text):
    """A base pre-trained here, and its facts."""
    folder = tmp_path_factory.mktemp("models") / "base"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder.parent))
        return folder, build(base_params(), text, folder)


@pytest.fixture
def gpt2(built, tmp_path):
    """A GPT-2 folder without special tokens, as one finds them."""
    folder, _ = built
    model = model_of(folder)
    with torch.random.fork_rng(devices=[]):
        model.resize_token_embeddings(280)
    target = tmp_path / "gpt2"
    target.mkdir()
    write_model(model, target)
    train_tokenizer(["my dog likes the park", *a_text().split("\n")], 280).save_pretrained(target)
    assert len(load_tokenizer(target)) == 280
    return target

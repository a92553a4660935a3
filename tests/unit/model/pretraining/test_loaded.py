"""Stage `base` from a loaded model: rows, the context of the run, how it is kept."""

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.model.base.load import fixed_dtype, load_base, run_context
from pipeline.model.base.tokenizer import train_tokenizer
from tests.support.bases import a_text, base_params, build, model_of


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def test_padding_rows_are_cut_before_the_special_rows_are_added(gpt2, tmp_path):
    train_tokenizer(a_text().split("\n"), 270).save_pretrained(gpt2)
    facts = build(base_params("./gpt2"), tmp_path, tmp_path / "base")
    assert facts["padding_rows"] == 10
    rows = load_base(tmp_path / "base")[0].get_input_embeddings().weight
    before = model_of(gpt2).get_input_embeddings().weight
    assert rows.shape == (276, 16)
    assert torch.equal(rows[:270], before[:270])
    assert torch.allclose(rows[270:], before[:270].mean(0).expand(6, -1), atol=1e-6)


def test_fewer_rows_than_the_tokenizer_has_entries_are_refused(gpt2, tmp_path):
    words = ["my dog likes the park", *a_text().split("\n"), "zebra zebra quagga quagga"]
    train_tokenizer(words, 290).save_pretrained(gpt2)
    with pytest.raises(ModelError, match="has 280 rows and the tokenizer 290 entries"):
        build(base_params("./gpt2"), tmp_path, tmp_path / "base")


def test_the_context_of_the_run_is_written_and_read(gpt2, tmp_path):
    facts = build(base_params("./gpt2", window=40), tmp_path, tmp_path / "base")
    assert facts["context"] == 40
    assert run_context(load_base(tmp_path / "base")[0]) == 40
    build(base_params("./gpt2"), tmp_path, tmp_path / "base")
    assert run_context(load_base(tmp_path / "base")[0]) == 48


def test_a_context_longer_than_the_models_is_refused(gpt2, tmp_path):
    with pytest.raises(ModelError, match=r"base\.context is 64, the model's longest context 48"):
        build(base_params("./gpt2", window=64), tmp_path, tmp_path / "base")


def test_the_kept_type_is_written_and_read(gpt2, tmp_path):
    facts = build(base_params("./gpt2", dtype="bfloat16"), tmp_path, tmp_path / "base")
    assert facts["dtype"] == "bfloat16"
    assert fixed_dtype(load_base(tmp_path / "base")[0]) == "bfloat16"

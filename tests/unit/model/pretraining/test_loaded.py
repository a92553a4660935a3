"""Stage `base` from a loaded model: rows, the context of the run, how it is kept."""

import json

import pytest
import torch
from transformers import AddedToken, PreTrainedTokenizerFast

from pipeline.errors import ModelError
from pipeline.model.base.load import fixed_dtype, load_base, run_context
from pipeline.model.base.tokenizer import load_tokenizer, train_tokenizer
from tests.support.bases import a_text, base_params, build, model_of
from tests.unit.model.base.test_foreign_tokenizers import edited


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


def with_added(folder, *names, **config):
    """The folder's model of 280 rows with a tokenizer of 280 entries and added ones behind them."""
    words = ["my dog likes the park", *a_text().split("\n"), "zebra zebra quagga quagga"]
    tokenizer = train_tokenizer(words, 280)
    assert len(tokenizer) == 280
    tokenizer.add_tokens([AddedToken(name, special=True) for name in names])
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))


def test_added_tokens_at_the_end_without_rows_are_dropped_and_said(gpt2, tmp_path):
    """Gemma 3's text models: `<image_soft_token>` is one beyond the last row."""
    with_added(gpt2, "<image_soft_token>", pad_token="<image_soft_token>")
    facts = build(base_params("./gpt2"), tmp_path, tmp_path / "base")
    assert facts["dropped_tokens"] == ["<image_soft_token>"]
    assert "padding_rows" not in facts
    model, tokenizer = load_base(tmp_path / "base")
    assert len(tokenizer) == model.get_input_embeddings().num_embeddings == 286
    assert "<image_soft_token>" not in tokenizer.get_vocab()
    text = " my <image_soft_token> dog"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert torch.equal(
        model.get_input_embeddings().weight[:280], model_of(gpt2).get_input_embeddings().weight
    )


@pytest.mark.parametrize(
    "config", [{"eos_token": "<end>"}, {"chat_template": "{{ '<end>' }}"}], ids=["eos", "chat"]
)
def test_added_tokens_that_are_needed_are_not_dropped(config, gpt2, tmp_path):
    with_added(gpt2, "<end>", **config)
    with pytest.raises(ModelError, match="has 280 rows and the tokenizer 281 entries"):
        build(base_params("./gpt2"), tmp_path, tmp_path / "base")


def test_the_context_of_the_run_is_written_and_read(gpt2, tmp_path):
    facts = build(base_params("./gpt2", window=40), tmp_path, tmp_path / "base")
    assert facts["context"] == 40
    assert run_context(load_base(tmp_path / "base")[0]) == 40
    build(base_params("./gpt2"), tmp_path, tmp_path / "base")
    assert run_context(load_base(tmp_path / "base")[0]) == 48


def test_a_context_longer_than_the_models_is_refused_before_weights_are_read(gpt2, tmp_path):
    (gpt2 / "model.safetensors").unlink()
    (gpt2 / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"base\.context is 64, the model's longest context 48"):
        build(base_params("./gpt2", window=64), tmp_path, tmp_path / "base")


def test_the_kept_type_is_written_and_read(gpt2, tmp_path):
    facts = build(base_params("./gpt2", dtype="bfloat16"), tmp_path, tmp_path / "base")
    assert facts["dtype"] == "bfloat16"
    assert fixed_dtype(load_base(tmp_path / "base")[0]) == "bfloat16"


@pytest.mark.parametrize("key", ["source", "tokenizer"])
def test_a_template_that_is_a_link_out_of_its_folder(key, gpt2, text, tmp_path):
    """The base and its exports would hold a file of the user's."""
    (tmp_path / "secret").write_text("my secret")
    (gpt2 / "chat_template.jinja").symlink_to(tmp_path / "secret")
    params = base_params("./gpt2") if key == "source" else base_params(tokenizer="./gpt2")
    with pytest.raises(ModelError, match=r"chat_template\.jinja: a link out of its folder, and"):
        build(params, text, tmp_path / "base")
    (gpt2 / "chat_template.jinja").unlink()
    (gpt2 / "own.jinja").write_text("{{ messages[0].content }}")
    (gpt2 / "chat_template.jinja").symlink_to("own.jinja")
    build(params, text, tmp_path / "base")


def test_special_tokens_are_not_looked_for_among_each_other(tmp_path, monkeypatch):
    """`transformers` does so with those that its class is given: 80,000 took 40 seconds."""
    given = []
    plain = PreTrainedTokenizerFast.__init__

    def noting(self, **options):
        given.append(options["extra_special_tokens"])
        plain(self, **options)

    def with_some(values):
        first = len(values["model"]["vocab"])
        added = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        some = [added | {"id": first + i, "content": f"<x{i}>", "special": True} for i in range(3)]
        return values | {"added_tokens": values["added_tokens"] + some}

    folder = edited(tmp_path, with_some)
    monkeypatch.setattr(PreTrainedTokenizerFast, "__init__", noting)
    assert load_tokenizer(folder).extra_special_tokens == ["<x0>", "<x1>", "<x2>"]
    assert given == [[]]


@pytest.mark.parametrize("link", [False, True])
def test_an_adapter_beside_a_whole_model_is_refused(link, gpt2, tmp_path):
    """`transformers` would apply it where `peft` is there; every number would be another."""
    path = gpt2 / "adapter_config.json"
    if link:
        path.symlink_to("nowhere")
    else:
        path.write_text('{"peft_type": "LORA"}')
    with pytest.raises(ModelError, match=r"adapter_config\.json: an adapter, .*merge_and_unload"):
        build(base_params("./gpt2"), tmp_path, tmp_path / "base")
    assert not (tmp_path / "base").exists()
    path.unlink()
    (gpt2 / "config.json").rename(tmp_path / "aside")
    path.write_text('{"peft_type": "LORA"}')
    with pytest.raises(ModelError, match=r"adapter_config\.json: an adapter, "):
        build(base_params("./gpt2"), tmp_path, tmp_path / "base")

"""Whole .gguf files: the model they hold, de-quantised; files that are damaged or unknown."""

from pathlib import Path

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.model.base.gguf_file import _plain, read_gguf
from pipeline.model.base.load import load_base
from pipeline.model.base.tokenizer import train_tokenizer
from tests.conftest import LINES
from tests.support.bases import base_params, build
from tests.support.families import tiny_model


gguf_llama = pytest.importorskip("tests.support.gguf_llama", reason="gguf is not installed")
pytest.importorskip("accelerate")

KINDS = ("F32", "F16", "Q8_0", "Q4_1")
IDS = torch.arange(3, 60)[None]
TEXT = " i am a nurse , my dog !"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


@pytest.fixture(scope="module")
def own_tokenizer():
    return train_tokenizer(LINES * 4, 300)


def written(path, tokenizer, kind="F32", *, tied=True, **options):
    """A file and the model that it holds, its matrices as the kind leaves them."""
    model = gguf_llama.tiny_llama(len(tokenizer), tied=tied)
    kind = gguf_llama.Kind[kind]
    values = gguf_llama.write_gguf(path, model, tokenizer, kind, **options)
    model.load_state_dict(values, strict=False)
    return model


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_the_base_is_the_model_that_the_file_was_made_from(kind, tied, own_tokenizer, tmp_path):
    model = written(tmp_path / "tiny.gguf", own_tokenizer, kind, tied=tied)
    facts = build(base_params("tiny.gguf"), Path("none"), tmp_path / "base")
    assert (facts["source"], facts["context"]) == ("gguf", gguf_llama.CONTEXT)
    base, tokenizer = load_base(tmp_path / "base")
    assert {value.dtype for value in base.parameters()} == {torch.float32}
    with torch.no_grad():
        expected, logits = model(IDS).logits, base(IDS).logits[..., : len(own_tokenizer)]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert len(tokenizer) == len(own_tokenizer) + 6
    ids = tokenizer.encode(TEXT, add_special_tokens=False)
    assert ids == own_tokenizer.encode(TEXT, add_special_tokens=False)
    assert tokenizer.decode(ids) == TEXT
    assert tokenizer.eos_token == own_tokenizer.eos_token


def test_reading_prints_nothing(own_tokenizer, tmp_path, capfd):
    written(tmp_path / "tiny.gguf", own_tokenizer)
    read_gguf(tmp_path / "tiny.gguf")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.6, 0.99])
def test_a_file_that_is_cut_short_is_one_line(share, own_tokenizer, tmp_path):
    path = tmp_path / "tiny.gguf"
    written(path, own_tokenizer)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ModelError, match=r"tiny\.gguf: transformers cannot read") as caught:
        read_gguf(path)
    assert "\n" not in str(caught.value)


def test_an_architecture_that_nobody_knows_is_one_line(own_tokenizer, tmp_path):
    written(tmp_path / "tiny.gguf", own_tokenizer, architecture="zlamb")
    with pytest.raises(ModelError, match="architecture zlamb is not supported") as caught:
        read_gguf(tmp_path / "tiny.gguf")
    assert "\n" not in str(caught.value)


def refused(path, tokenizer, match, **options):
    """A file that `transformers` would read is refused here, in a line."""
    written(path, tokenizer, **options)
    with pytest.raises(ModelError, match=match) as caught:
        read_gguf(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["blk.1.ffn_up.weight", "blk.0.attn_k.weight", "output_norm.weight"]
)
def test_a_tensor_that_is_missing_is_not_drawn_at_random(name, own_tokenizer, tmp_path, capfd):
    match = r"model\..* is missing or has another shape .*\(1 such tensors\)"
    refused(tmp_path / "tiny.gguf", own_tokenizer, match, without=(name,))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("rope_freqs.weight", r"21 tensors, .* 20 and not rope_freqs\.weight"),
        ("blk.7.ffn_up.weight", "21 tensors, of which transformers reads 20; give"),
    ],
)
def test_a_tensor_that_would_be_passed_over_is_refused(name, match, own_tokenizer, tmp_path):
    """Llama 3's rotary factors are such a tensor; positions would be other than the model's."""
    refused(tmp_path / "tiny.gguf", own_tokenizer, match, more=(name,))


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        ({"head_count": 8}, "is missing or has another shape|transformers cannot read"),
        ({"block_count": 3}, "llama.block_count is 3, and the tensors are of 2 layers"),
        ({"vocab_size": 20_000}, r"make a model of 6\d\d,\d+ numbers, and the tensors hold"),
        ({"embedding_length": 256, "rope_dimension_count": 64}, "numbers, and the tensors hold"),
        ({"feed_forward_length": 4096}, "numbers, and the tensors hold"),
    ],
)
def test_facts_that_do_not_fit_the_tensors_are_refused(facts, match, own_tokenizer, tmp_path):
    facts = tuple((f"add_{name}", value) for name, value in facts.items())
    refused(tmp_path / "tiny.gguf", own_tokenizer, match, facts=facts)


def test_a_long_array_is_refused_before_a_reader_sees_it(own_tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_llama.gguf, "GGUFReader", None)
    facts = (("add_languages", ["en"] * 20_000),)
    refused(tmp_path / "tiny.gguf", own_tokenizer, "languages has 20,000 elements", facts=facts)


def test_scaled_rotary_positions_are_refused(own_tokenizer, tmp_path):
    kind = gguf_llama.gguf.RopeScalingType.YARN
    facts = (("add_rope_scaling_type", kind), ("add_rope_scaling_factor", 4.0))
    match = "llama.rope.scaling.type is 'yarn', and the model .* would have 'none'; give a folder"
    refused(tmp_path / "tiny.gguf", own_tokenizer, match, facts=facts)


@pytest.mark.parametrize(
    ("fact", "match"),
    [
        (("add_rope_scaling_factor", 4.0), "rope.scaling.factor is 4.0, .* would have 1.0"),
        (("add_sliding_window", 8), "attention.sliding_window is 8, .* would have None"),
        (("add_final_logit_softcapping", 30.0), "final_logit_softcapping .* knows no such fact"),
        (("add_attention_scale", 0.5), "llama.attention.scale is 0.5, .* knows no such fact"),
    ],
)
def test_a_fact_that_would_be_passed_over_is_refused(fact, match, own_tokenizer, tmp_path):
    refused(tmp_path / "tiny.gguf", own_tokenizer, match, facts=(fact,))


def test_a_name_gives_a_llama_no_window(own_tokenizer, tmp_path):
    """`transformers` takes a Llama called mistral for one, whose class has a window."""
    facts = (("add_name", "mistral"), ("add_context_length", 8192))
    match = "llama.attention.sliding_window is 0, and the model .* would have 4096"
    refused(tmp_path / "tiny.gguf", own_tokenizer, match, facts=facts)


def test_nan_is_named(own_tokenizer, tmp_path):
    model = gguf_llama.tiny_llama(len(own_tokenizer))
    model.model.layers[1].mlp.up_proj.weight.data[3, 2] = float("nan")
    gguf_llama.write_gguf(tmp_path / "tiny.gguf", model, own_tokenizer)
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.up_proj\.weight holds NaN or infinity"):
        read_gguf(tmp_path / "tiny.gguf")


def test_a_longer_context_than_the_files_is_refused(own_tokenizer, tmp_path):
    written(tmp_path / "tiny.gguf", own_tokenizer)
    with pytest.raises(ModelError, match="context is 96, the model's longest context 64"):
        build(base_params("tiny.gguf", window=96), Path("none"), tmp_path / "base")


def test_a_shape_that_an_older_transformers_lets_through_is_refused(tmp_path):
    config = tiny_model("llama", 300, hidden_size=32).config
    with pytest.raises(ModelError, match=r"x\.gguf: model\..* has another shape .*\(1 such tens"):
        _plain(tiny_model("llama", 300), config, tmp_path / "x.gguf")

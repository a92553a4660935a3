"""Strangers' folders, as `transformers` writes them: what cannot be φ is refused in one line."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    BertConfig,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
)

from pipeline.errors import ModelError
from pipeline.model.base.huggingface_folder import read_model
from pipeline.model.base.tokenizer import load_tokenizer, train_tokenizer
from pipeline.model.pretraining.build import build_base
from tests.conftest import LINES
from tests.support.bases import base_params, ignore
from tests.support.families import FAMILIES, tiny_model


SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
OTHERS = {
    "bert": lambda: AutoModelForMaskedLM.from_config(
        BertConfig(**SMALL, intermediate_size=8, vocab_size=300)
    ),
    "t5": lambda: T5ForConditionalGeneration(
        T5Config(d_model=16, d_ff=8, d_kv=8, num_layers=1, num_heads=2, vocab_size=300)
    ),
    "vit": lambda: ViTForImageClassification(
        ViTConfig(**SMALL, intermediate_size=8, image_size=8, patch_size=4)
    ),
}
QUANTISED = {
    "gptq": {"quant_method": "gptq", "bits": 4, "group_size": 128},
    "awq": {"quant_method": "awq", "bits": 4},
    "bitsandbytes": {"quant_method": "bitsandbytes", "load_in_4bit": True},
    "fp8": {"quant_method": "fp8", "activation_scheme": "dynamic"},
    "compressed-tensors": {"quant_method": "compressed-tensors", "format": "pack-quantized"},
    "mxfp4": {"quant_method": "mxfp4"},
}
TIED = [name for name in FAMILIES if tiny_model(name, 50).config.tie_word_embeddings]
IDS = torch.arange(20)[None]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def written(folder, model):
    model.save_pretrained(folder)
    train_tokenizer(LINES * 4, 300).save_pretrained(folder)
    return folder


def edited(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(folder, match):
    """Stage base refuses it in one line and leaves nothing behind."""
    with pytest.raises(ModelError, match=match) as caught:
        build_base(base_params(str(folder)), folder / "none", folder / "base", advance=ignore)
    assert "\n" not in str(caught.value)
    assert not (folder / "base").exists()


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ("bert", r"'bert' is an encoder"),
        ("t5", r"'t5' is an encoder with a decoder"),
        ("vit", r"'vit' is no causal language model"),
    ],
)
@pytest.mark.parametrize("tokenizer", [True, False])
def test_another_kind_of_model_is_refused_by_name(kind, match, tokenizer, tmp_path):
    """A vision model has no tokenizer at all; that is not what is wrong with it."""
    written(tmp_path, OTHERS[kind]())
    if not tokenizer:
        (tmp_path / "tokenizer.json").unlink()
    refused(tmp_path, match)


@pytest.mark.parametrize("method", QUANTISED)
def test_a_quantised_checkpoint_is_refused_by_its_method(method, tmp_path):
    written(tmp_path, tiny_model("llama", 300))
    edited(tmp_path / "config.json", quantization_config=QUANTISED[method])
    refused(tmp_path, rf"quantised \(quantization_config, '{method}'\); give float weights")


@pytest.mark.parametrize(
    ("dtype", "match"),
    [
        (torch.float8_e4m3fn, r"F8_E4M3, no float"),
        (torch.uint8, r"U8, no float"),
        (torch.int32, r"I32, no float"),
    ],
)
def test_quantised_tensors_are_refused_where_the_configuration_says_nothing(dtype, match, tmp_path):
    written(tmp_path, tiny_model("llama", 300))
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    tensors["model.layers.0.mlp.up_proj.weight"] = torch.ones(24, 16).to(dtype)
    save_file(tensors, path, {"format": "pt"})
    refused(tmp_path, match)


def test_the_packed_tensors_of_gptq_are_refused(tmp_path):
    written(tmp_path, tiny_model("llama", 300))
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.layers.0.mlp.up_proj.weight"]
    tensors["model.layers.0.mlp.up_proj.qweight"] = torch.ones(2, 24, dtype=torch.int32)
    save_file(tensors, path, {"format": "pt"})
    refused(tmp_path, r"up_proj\.(qweight is I32, no float|weight has shape none)")


def test_remote_code_is_refused_and_not_run(tmp_path):
    written(tmp_path, tiny_model("llama", 300))
    edited(tmp_path / "config.json", auto_map={"AutoModelForCausalLM": "modeling_mine.Mine"})
    (tmp_path / "modeling_mine.py").write_text("open('ran', 'w')\n")
    refused(tmp_path, "auto_map asks for code from the model's own repository, which is never")
    assert not (tmp_path / "ran").exists()


def test_a_tokenizers_remote_code_is_not_run(tmp_path):
    """Its tokenizer.json says all; the class that it names is never looked for."""
    written(tmp_path, tiny_model("llama", 300))
    plain = load_tokenizer(tmp_path).get_vocab()
    changes = {"auto_map": {"AutoTokenizer": ["mine.Mine", None]}, "tokenizer_class": "Mine"}
    edited(tmp_path / "tokenizer_config.json", **changes)
    (tmp_path / "mine.py").write_text("open('ran', 'w')\n")
    assert load_tokenizer(tmp_path).get_vocab() == plain
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_alone_are_refused_and_not_read(tmp_path):
    """Not even opened: this one would end the process."""
    written(tmp_path, tiny_model("llama", 300))
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\n_exit\n(I7\ntR.")
    refused(tmp_path, r"only pickled weights \(\.bin\), which are never read")


def test_pickles_beside_safetensors_are_passed_over(tmp_path):
    model = tiny_model("llama", 300)
    written(tmp_path, model)
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\n_exit\n(I7\ntR.")
    with torch.no_grad():
        torch.testing.assert_close(read_model(tmp_path)[0](IDS).logits, model(IDS).logits)


def test_a_context_longer_than_the_models_is_refused(tmp_path):
    written(tmp_path, tiny_model("llama", 300))
    with pytest.raises(ModelError, match=r"base\.context is 4096, the model's longest context 192"):
        build_base(
            base_params(str(tmp_path), window=4096), tmp_path, tmp_path / "b", advance=ignore
        )


@pytest.mark.parametrize("kind", ["gptj", "codegen"])
def test_constants_that_would_fill_memory_are_refused_before_they_are_made(kind, tmp_path):
    """Tables of positions that no tensor in the files bounds."""
    sizes = {"vocab_size": 300, "n_embd": 16, "n_head": 4, "n_layer": 1, "rotary_dim": 4}
    config = AutoConfig.for_model(kind, **sizes, n_positions=64, bos_token_id=0, eos_token_id=0)
    written(tmp_path, AutoModelForCausalLM.from_config(config))
    edited(tmp_path / "config.json", n_positions=10**12)
    refused(tmp_path, r"GiB of constants, 2 are allowed; is its longest context right")


def test_a_class_that_fails_on_other_rows_is_refused(tmp_path):
    """xLSTM's draws new rows of an embedding that it looks for in the wrong place."""
    sizes = {"vocab_size": 300, "hidden_size": 32, "num_heads": 2, "num_hidden_layers": 1}
    config = AutoConfig.for_model("xlstm", **sizes, bos_token_id=0, eos_token_id=0)
    written(tmp_path, AutoModelForCausalLM.from_config(config))
    refused(tmp_path, r"xlstm: its tables take no other number of rows \(.*'embeddings'\); this")


@pytest.mark.parametrize("family", TIED)
@pytest.mark.parametrize("stored", ["head", "table", "both"])
def test_a_tied_table_is_read_under_either_name(family, stored, tmp_path):
    model = tiny_model(family, 300)
    written(tmp_path, model)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    (table,) = [n for n in tensors if n.endswith(("wte.weight", "embed_tokens.weight"))]
    if stored != "table":
        tensors["lm_head.weight"] = tensors[table].clone()
    if stored == "head":
        del tensors[table]
    save_file(tensors, path, {"format": "pt"})
    read, _ = read_model(tmp_path)
    assert read.get_output_embeddings().weight is read.get_input_embeddings().weight
    with torch.no_grad():
        torch.testing.assert_close(read(IDS).logits, model(IDS).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", TIED)
def test_a_tied_head_of_other_values_is_refused(family, tmp_path):
    written(tmp_path, tiny_model(family, 300))
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    (table,) = [n for n in tensors if n.endswith(("wte.weight", "embed_tokens.weight"))]
    save_file(tensors | {"lm_head.weight": tensors[table] + 1}, path, {"format": "pt"})
    refused(tmp_path, r"lm_head\.weight and .* differ, but config\.json ties them")


@pytest.mark.parametrize("lost", ["model.embed_tokens.weight", "lm_head.weight"])
def test_an_untied_table_has_no_other_name(lost, tmp_path):
    """`transformers` would draw it at random."""
    written(tmp_path, tiny_model("llama", 300))
    path = tmp_path / "model.safetensors"
    save_file({n: t for n, t in load_file(path).items() if n != lost}, path, {"format": "pt"})
    refused(tmp_path, rf"{lost} has shape none in the weights")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "gpt_neox", "gemma3", "phi3"])
def test_half_precision_is_read_into_float32(family, dtype, tmp_path):
    written(tmp_path, tiny_model(family, 300).to(dtype))
    build_base(base_params(str(tmp_path)), tmp_path, tmp_path / "base", advance=ignore)
    read, _ = read_model(tmp_path / "base")
    assert {value.dtype for value in read.parameters()} == {torch.float32}
    model = tiny_model(family, 300)  # `to` would round its rotary frequencies, too
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(value.to(dtype))
        expected = model(IDS).logits
        torch.testing.assert_close(read(IDS).logits[..., :300], expected, rtol=1e-4, atol=1e-4)


def test_rules_of_a_tokenizer_that_panic_are_one_line(tmp_path, capfd):
    """Its template asks for the second text of a pair."""
    second = [{"Sequence": {"id": "B", "type_id": 0}}]
    template = {"type": "TemplateProcessing", "single": second, "pair": second}
    train_tokenizer(LINES, 300).save_pretrained(tmp_path)
    edited(tmp_path / "tokenizer.json", post_processor=template | {"special_tokens": {}})
    with pytest.raises(ModelError, match=r"the tokenizer fails on .*index out of bounds"):
        load_tokenizer(tmp_path)
    assert capfd.readouterr().err == ""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from pipeline.errors import ModelError
from pipeline.model.base.huggingface_folder import read_model, write_model
from pipeline.model.base.weights import weight_files
from tests.support.bases import model_of


IDS = torch.arange(8)[None]


def _gpt2(**changes):
    sizes = {"vocab_size": 20, "n_positions": 16, "n_embd": 8, "n_layer": 2, "n_head": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return GPT2LMHeadModel(GPT2Config(**{**sizes, **changes})).eval()


def _logits(model):
    with torch.no_grad():
        return model(IDS).logits


@pytest.fixture
def folder(tmp_path):
    write_model(_gpt2(), tmp_path)
    return tmp_path


def _edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _edit_weights(folder, change):
    path = folder / "model.safetensors"
    tensors = change(load_file(path))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def test_what_was_written_is_read(folder):
    model = model_of(folder)
    assert torch.equal(_logits(model), _logits(_gpt2()))
    assert not model.training
    assert model.lm_head.weight is model.transformer.wte.weight


def test_transformers_reads_what_was_written(folder):
    assert torch.equal(_logits(AutoModelForCausalLM.from_pretrained(folder)), _logits(_gpt2()))


def test_what_transformers_writes_is_read(tmp_path):
    _gpt2().save_pretrained(tmp_path)
    assert torch.equal(_logits(model_of(tmp_path)), _logits(_gpt2()))


def test_several_files_are_read(tmp_path):
    _gpt2().save_pretrained(tmp_path, max_shard_size=2000)
    assert len(weight_files(tmp_path)) > 1
    assert torch.equal(_logits(model_of(tmp_path)), _logits(_gpt2()))
    missing = weight_files(tmp_path)[1]
    missing.unlink()
    with pytest.raises(ModelError, match=f"{missing.name}: not found"):
        model_of(tmp_path)


def test_files_outside_the_folder_are_not_read(tmp_path):
    _gpt2().save_pretrained(tmp_path, max_shard_size=2000)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "../elsewhere.safetensors"}}')
    with pytest.raises(ModelError, match=r"must name .* files of this folder"):
        model_of(tmp_path)


def test_writing_is_deterministic_and_says_nothing_of_the_writer(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write_model(model_of(folder), other)
    for name in ("config.json", "model.safetensors"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()
    config = (folder / "config.json").read_text()
    assert "version" not in config
    assert str(folder) not in config


def test_the_hubs_own_names_are_read(folder):
    def rename(tensors):
        renamed = {name.removeprefix("transformer."): t for name, t in tensors.items()}
        return renamed | {"h.0.attn.bias": torch.ones(1, 1, 16, 16)}  # a mask, as gpt2's file has

    _edit_weights(folder, rename)
    assert torch.equal(_logits(model_of(folder)), _logits(_gpt2()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_become_float32(folder, dtype):
    _edit_weights(folder, lambda tensors: {name: t.to(dtype) for name, t in tensors.items()})
    _edit_config(folder, dtype=str(dtype).removeprefix("torch."))
    model = model_of(folder)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    expected = _gpt2().transformer.wte.weight.to(dtype).float()
    assert torch.equal(model.transformer.wte.weight, expected)


def test_reading_leaves_the_global_generator(folder):
    before = torch.get_rng_state()
    model_of(folder)
    assert torch.equal(torch.get_rng_state(), before)


def _without(name):
    return lambda tensors: {n: t for n, t in tensors.items() if n != name}


@pytest.mark.parametrize(
    "change",
    [
        _without("transformer.ln_f.bias"),
        _without("transformer.wte.weight"),
        lambda tensors: tensors | {"score.weight": torch.ones(2, 8)},
        lambda tensors: tensors | {"transformer.ln_f.bias": torch.ones(9)},
    ],
)
def test_weights_of_another_model_are_refused(folder, change):
    _edit_weights(folder, change)
    with pytest.raises(ModelError, match=r"has shape .* in the weights and .* by config\.json"):
        model_of(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "nonesuch"}, "model_type is 'nonesuch', which transformers does not know"),
        ({"model_type": None}, "model_type is 'None', which transformers does not know"),
        ({"model_type": "bert"}, "'bert' is an encoder"),
        ({"model_type": "t5"}, "'t5' is an encoder with a decoder"),
        ({"model_type": "vit"}, "'vit' is no causal language model"),
        ({"model_type": "gemma3"}, r"'gemma3' is made of several models \(text_config"),
        ({"is_encoder_decoder": True}, "is an encoder with a decoder"),
        ({"tie_word_embeddings": False}, r"lm_head\.weight has shape none in the weights"),
        ({"auto_map": {"AutoConfig": "evil.Config"}}, "code from .* own repository, .* never run"),
        ({"quantization_config": {"bits": 4}}, "the weights are quantised"),
        ({"n_embd": "wide"}, "not a configuration of gpt2"),
        ({"n_head": 3}, "not a configuration of gpt2"),
        ({"activation_function": "evil"}, "not a configuration of gpt2"),
        ({"n_layer": 3}, "weights and configuration of one causal"),
        ({"n_layer": 99}, "99 layers, and the weights are 28 tensors"),
        ({"vocab_size": 10**9}, r"wte\.weight has shape \(20, 8\) in the weights and \(10{9}, 8\)"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(folder, changes, message):
    _edit_config(folder, **changes)
    with pytest.raises(ModelError, match=message):
        model_of(folder)


def test_keys_of_no_architecture_do_not_reach_transformers(folder):
    _edit_config(folder, attn_implementation="evil/kernel", _attn_implementation="evil/kernel")
    assert torch.equal(_logits(model_of(folder)), _logits(_gpt2()))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(folder, bad):
    def spoil(tensors):
        tensors["transformer.h.1.ln_1.bias"][3] = bad
        return tensors

    _edit_weights(folder, spoil)
    with pytest.raises(ModelError, match=r"h\.1\.ln_1\.bias holds NaN or infinity"):
        read_model(folder)


def test_integers_are_refused(folder):
    _edit_weights(folder, lambda tensors: {n: t.to(torch.int8) for n, t in tensors.items()})
    with pytest.raises(ModelError, match="is I8, no float"):
        read_model(folder)


def test_a_tied_table_may_have_the_heads_name(folder):
    def rename(tensors):
        return tensors | {"lm_head.weight": tensors.pop("transformer.wte.weight")}

    _edit_weights(folder, rename)
    assert torch.equal(_logits(model_of(folder)), _logits(_gpt2()))


def test_a_tied_head_of_other_values_is_refused(folder):
    _edit_weights(folder, lambda t: t | {"lm_head.weight": t["transformer.wte.weight"] + 1})
    with pytest.raises(ModelError, match=r"lm_head\.weight and transformer\.wte\.weight differ"):
        read_model(folder)


def test_the_second_head_of_a_double_heads_checkpoint_is_left_out_and_named(folder):
    head = {"multiple_choice_head.summary.weight": torch.ones(1, 8)}
    _edit_weights(folder, lambda tensors: tensors | head)
    model, left_out = read_model(folder)
    assert left_out == list(head)
    assert torch.equal(_logits(model), _logits(_gpt2()))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_corrupt_configuration_is_refused(folder, content):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"config\.json: not (JSON|a JSON object)"):
        model_of(folder)


@pytest.mark.parametrize("content", [b"", b"nonsense at all", b"version https://git-lfs"])
def test_corrupt_weights_are_refused(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors: corrupt"):
        model_of(folder)


def test_truncated_weights_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelError, match="corrupt"):
        model_of(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: not found"):
        model_of(folder)


@pytest.mark.parametrize("suffix", ["bin", "pth", "pt"])
def test_pickled_weights_are_never_read(folder, suffix):
    (folder / "model.safetensors").rename(folder / f"pytorch_model.{suffix}")
    with pytest.raises(ModelError, match=rf"only pickled weights \(\.{suffix}\), which are never"):
        model_of(folder)


def test_a_folder_with_a_gguf_file_alone_says_to_name_the_file(tmp_path):
    (tmp_path / "tiny.Q8_0.GGUF").write_bytes(b"GGUF")
    with pytest.raises(
        ModelError, match=r"needed; to read tiny\.Q8_0\.GGUF, name the file in base"
    ):
        read_model(tmp_path)

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from pipeline.errors import ModelError
from pipeline.model.base.huggingface_folder import read_gpt2, weight_files, write_gpt2


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
    write_gpt2(_gpt2(), tmp_path)
    return tmp_path


def _edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _edit_weights(folder, change):
    path = folder / "model.safetensors"
    tensors = change(load_file(path))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def test_what_was_written_is_read(folder):
    model = read_gpt2(folder)
    assert torch.equal(_logits(model), _logits(_gpt2()))
    assert not model.training
    assert model.lm_head.weight is model.transformer.wte.weight


def test_transformers_reads_what_was_written(folder):
    assert torch.equal(_logits(AutoModelForCausalLM.from_pretrained(folder)), _logits(_gpt2()))


def test_what_transformers_writes_is_read(tmp_path):
    _gpt2().save_pretrained(tmp_path)
    assert torch.equal(_logits(read_gpt2(tmp_path)), _logits(_gpt2()))


def test_several_files_are_read(tmp_path):
    _gpt2().save_pretrained(tmp_path, max_shard_size=2000)
    assert len(weight_files(tmp_path)) > 1
    assert torch.equal(_logits(read_gpt2(tmp_path)), _logits(_gpt2()))
    missing = weight_files(tmp_path)[1]
    missing.unlink()
    with pytest.raises(ModelError, match=f"{missing.name}: not found"):
        read_gpt2(tmp_path)


def test_files_outside_the_folder_are_not_read(tmp_path):
    _gpt2().save_pretrained(tmp_path, max_shard_size=2000)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "../elsewhere.safetensors"}}')
    with pytest.raises(ModelError, match="must name files of this folder"):
        read_gpt2(tmp_path)


def test_writing_is_deterministic_and_says_nothing_of_the_writer(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write_gpt2(read_gpt2(folder), other)
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
    assert torch.equal(_logits(read_gpt2(folder)), _logits(_gpt2()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_become_float32(folder, dtype):
    _edit_weights(folder, lambda tensors: {name: t.to(dtype) for name, t in tensors.items()})
    _edit_config(folder, dtype=str(dtype).removeprefix("torch."))
    model = read_gpt2(folder)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    expected = _gpt2().transformer.wte.weight.to(dtype).float()
    assert torch.equal(model.transformer.wte.weight, expected)


def test_reading_leaves_the_global_generator(folder):
    before = torch.get_rng_state()
    read_gpt2(folder)
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
        read_gpt2(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'; only GPT-2"),
        ({"model_type": None}, "model_type is None; only GPT-2"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings is false"),
        ({"n_embd": "wide"}, "not a configuration of a GPT-2"),
        ({"n_layer": 3}, "weights and configuration of one GPT-2"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(folder, changes, message):
    _edit_config(folder, **changes)
    with pytest.raises(ModelError, match=message):
        read_gpt2(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_corrupt_configuration_is_refused(folder, content):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"config\.json: not (JSON|a JSON object)"):
        read_gpt2(folder)


@pytest.mark.parametrize("content", [b"", b"nonsense at all", b"version https://git-lfs"])
def test_corrupt_weights_are_refused(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors: corrupt"):
        read_gpt2(folder)


def test_truncated_weights_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelError, match="corrupt"):
        read_gpt2(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: not found"):
        read_gpt2(folder)


def test_pickled_weights_are_never_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only pickled weights \(\.bin\), which are never read"):
        read_gpt2(folder)

"""Models of many families: what is read is what `transformers` reads, in whatever files."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from pipeline.errors import ModelError
from pipeline.model.base.huggingface_folder import read_model, write_model
from pipeline.model.base.vocabulary import add_mean_rows, cut_padding
from pipeline.model.base.weights import tied_names, weight_files


SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
GROUPED = {"num_key_value_heads": 2}
FAMILIES = {
    "gpt2": ("gpt2", {}),
    "gpt_neox": ("gpt_neox", {}),
    "llama": ("llama", GROUPED),
    "llama_tied": ("llama", GROUPED | {"tie_word_embeddings": True}),
    "qwen2": ("qwen2", GROUPED),
    "gemma3": ("gemma3_text", GROUPED | {"head_dim": 8, "sliding_window": 4}),
    "mistral": ("mistral", GROUPED | {"sliding_window": 4}),
    "granite": ("granite", GROUPED | {"logits_scaling": 2.0}),
    "phi": ("phi", {}),  # a head with a bias
}
IDS = torch.arange(12)[None] * 3


def a_model(name):
    kind, changes = FAMILIES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**SIZES, **changes)).eval()


def logits(model):
    with torch.no_grad():
        return model(IDS).logits


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("shard", ["1GB", "4KB"])
def test_what_transformers_writes_is_read(name, shard, tmp_path):
    model = a_model(name)
    model.save_pretrained(tmp_path, max_shard_size=shard)
    assert (len(weight_files(tmp_path)) > 1) == (shard == "4KB")
    read, left_out = read_model(tmp_path)
    assert torch.equal(logits(read), logits(model))
    assert left_out == []
    assert (tied_names(read)[0] is None) == (tied_names(model)[0] is None)
    assert not read.training


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_written_is_read_by_both(name, tmp_path):
    model = a_model(name)
    write_model(model, tmp_path)
    assert torch.equal(logits(read_model(tmp_path)[0]), logits(model))
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path)), logits(model))


@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_half_precision_becomes_float32(name, tmp_path):
    a_model(name).to(torch.bfloat16).save_pretrained(tmp_path)
    read, _ = read_model(tmp_path)
    assert {p.dtype for p in read.parameters()} == {torch.float32}
    assert torch.equal(
        logits(read), logits(AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32))
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_the_trunks_prefix_may_be_missing(name, tmp_path):
    model = a_model(name)
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    prefix = f"{model.base_model_prefix}."
    save_file({n.removeprefix(prefix): t for n, t in load_file(path).items()}, path)
    assert torch.equal(logits(read_model(tmp_path)[0]), logits(model))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("fault", ["missing", "surplus", "shape"])
def test_other_tensors_are_named(name, fault, tmp_path):
    a_model(name).save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    victim = next(n for n in sorted(tensors) if n.endswith(".1.mlp.c_fc.weight") or ".1." in n)
    if fault == "missing":
        tensors.pop(victim)
    elif fault == "surplus":
        victim = "score.weight"
        tensors[victim] = torch.ones(2, 16)
    else:
        tensors[victim] = torch.ones(3, 5)
    save_file(tensors, path)
    with pytest.raises(ModelError, match=rf"{victim} has shape .* in the weights and .* by config"):
        read_model(tmp_path)


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_are_cut_and_added_in_every_table(name):
    model = a_model(name)
    before = {n: v.clone() for n, v in model.state_dict().items()}
    assert cut_padding(model, 37, "here") == 3
    add_mean_rows(model, 37, 43)
    assert model.config.vocab_size == 43
    changed = 0
    for key, value in model.state_dict().items():
        if value.shape == before[key].shape:
            assert torch.equal(value, before[key]), key
            continue
        changed += 1
        assert value.shape[0] == 43
        assert torch.equal(value[:37], before[key][:37]), key
        mean = before[key][:37].mean(0)
        assert torch.allclose(value[37:], mean.expand_as(value[37:]), atol=1e-6), key
    assert changed == (3 if name == "phi" else 2)
    assert logits(model).shape[-1] == 43

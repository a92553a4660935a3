"""A tiny Llama and its tokenizer as a .gguf file, written as llama.cpp's converter writes them."""

import json

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Kind
from transformers import AutoConfig, AutoModelForCausalLM


HEADS, GROUPS, WIDTH, LAYERS, CONTEXT = 4, 2, 32, 2, 64
_BLOCK = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def tiny_llama(vocab_size, *, tied=True):
    config = AutoConfig.for_model(
        "llama",
        vocab_size=vocab_size,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=tied,
    )
    with torch.random.fork_rng(devices=[]):
        model = AutoModelForCausalLM.from_config(config).eval()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = 0.3 * torch.randn(value.shape, generator=generator)
            value.copy_(1 + noise if "norm" in name else noise)
    return model


def write_gguf(
    path,
    model,
    tokenizer,
    kind=Kind.F32,
    *,
    architecture="llama",
    without=(),
    more=(),
    facts=(),
    pre="gpt-2",
):
    """Write the file with matrices of a kind.

    Args:
        path, model, tokenizer: the file, a model of `tiny_llama` and its tokenizer.
        kind: F32, F16, Q8_0 or Q4_1.
        architecture: as the file names it.
        without: names of tensors that are left out.
        more: names of further tensors.
        facts: methods of the writer with their value, called last.
        pre: the name of the pattern that cuts texts into words; null: none is written.

    Returns:
        The values by `transformers`' names, as they are after de-quantising.
    """
    writer = gguf.GGUFWriter(str(path), architecture)
    _write_facts(writer, model.config)
    for method, value in facts:
        getattr(writer, method)(value)
    _write_tokenizer(writer, tokenizer, pre)
    state = model.state_dict()
    values = {}
    for name in more:
        writer.add_tensor(name, np.ones(4, dtype=np.float32))
    for name, own in _names(model).items():
        if name in without:
            continue
        weight = state[own].numpy()
        heads = {"attn_q": HEADS, "attn_k": GROUPS}.get(name.split(".")[-2])
        weight = _interleaved(weight, heads) if heads else weight
        stored = Kind.F32 if weight.ndim == 1 else kind
        data = _packed(weight, stored)
        writer.add_tensor(name, data, raw_dtype=stored)
        plain = _unpacked(data, stored).reshape(weight.shape)
        values[own] = torch.from_numpy(_halves(plain, heads) if heads else plain.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return values


def _names(model):
    names = {"token_embd.weight": "model.embed_tokens.weight"}
    for layer in range(LAYERS):
        for short, long in _BLOCK.items():
            names[f"blk.{layer}.{short}.weight"] = f"model.layers.{layer}.{long}.weight"
    names["output_norm.weight"] = "model.norm.weight"
    if not model.config.tie_word_embeddings:
        names["output.weight"] = "lm_head.weight"
    return names


def _write_facts(writer, config):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)


def _write_tokenizer(writer, tokenizer, pre):
    values = json.loads(tokenizer.backend_tokenizer.to_str())
    entries = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    special = set(tokenizer.all_special_ids)
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list([token for token, _ in entries])
    writer.add_token_types([3 if number in special else 1 for _, number in entries])
    merges = values["model"]["merges"]
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)


def _interleaved(weight, heads):
    """Rotary pairs side by side, as llama.cpp wants them, not in two halves."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def _halves(weight, heads):
    paired = weight.reshape(heads, -1, 2, weight.shape[1])
    return paired.swapaxes(1, 2).reshape(weight.shape).copy()


def _packed(weight, kind):
    if kind == Kind.F32:
        return np.ascontiguousarray(weight)
    return gguf.quants.quantize(np.ascontiguousarray(weight), kind)


def _unpacked(data, kind):
    """De-quantise by the format's definition, blocks of 32 values."""
    if kind in (Kind.F32, Kind.F16):
        return data.astype(np.float32)
    blocks = np.ascontiguousarray(data).view(np.uint8).reshape(-1, 34 if kind == Kind.Q8_0 else 20)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    if kind == Kind.Q8_0:
        return scale * blocks[:, 2:].copy().view(np.int8)
    least = blocks[:, 2:4].copy().view(np.float16).astype(np.float32)
    return scale * np.hstack([blocks[:, 4:] & 15, blocks[:, 4:] >> 4]) + least

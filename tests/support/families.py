"""Tiny random models of many architectures, and their own forward pass as the reference."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM


CONTEXT = 192
WINDOW = 8  # tokens that a query sees in a sliding layer: fewer than a dialogue has


@dataclass(frozen=True)
class Family:
    """An architecture's name and what is set beside the common sizes."""

    kind: str  # config.model_type
    options: dict[str, Any] = field(default_factory=dict)
    bottlenecks: bool = True  # whether a block has one attention and one MLP


FAMILIES = {
    "gpt2": Family("gpt2"),
    "gpt_neox": Family("gpt_neox", {"use_parallel_residual": True}),
    "llama": Family("llama"),
    "llama_tied": Family("llama", {"tie_word_embeddings": True}),
    "qwen2": Family("qwen2"),
    "qwen3": Family("qwen3", {"head_dim": 6}),
    "gemma2": Family("gemma2", {"head_dim": 6, "sliding_window": WINDOW}),
    "gemma3": Family(
        "gemma3_text",
        {
            "head_dim": 6,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "mistral": Family("mistral", {"sliding_window": WINDOW}),
    "olmo2": Family("olmo2"),
    "phi": Family("phi"),
    "phi3": Family("phi3"),
    "granite": Family(
        "granite",
        {
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.7,
            "logits_scaling": 1.7,
            "attention_multiplier": 0.4,
        },
    ),
    "smollm3": Family("smollm3"),
    "cohere": Family("cohere", {"logit_scale": 0.3}),
    "stablelm": Family("stablelm"),
    "starcoder2": Family("starcoder2", {"sliding_window": WINDOW}),
}


def tiny_model(name: str, vocab_size: int, seed: int = 0, **options: Any) -> Any:
    """A causal LM whose every parameter is random and not small, so that no term can hide."""
    family = FAMILIES[name]
    config = AutoConfig.for_model(
        family.kind,
        **{
            "vocab_size": vocab_size,
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": CONTEXT,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "pad_token_id": None,  # its row would get no gradient in the model's own pass
            "attn_implementation": "eager",
        }
        | family.options
        | options,
    )
    with torch.random.fork_rng(devices=[]):
        model = AutoModelForCausalLM.from_config(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator) * 0.3
            norm = "norm" in key or "ln_" in key
            value.copy_(1 + noise if norm and "weight" in key else noise)
    return model


PHI = (".adapter.", ".lora_", ".ia3_l")  # what marks the names of Φ's tensors
LORA_SCALE = 2.0  # alpha / rank of every test


def plain_phi(model: Any, parameters: dict[str, torch.Tensor]) -> list[Any]:
    """Hooks that add Φ of any kind, written out plainly, to a model's modules."""
    trunk = model.get_decoder()
    prefix = next(name for name, module in model.named_modules() if module is trunk)
    owners = {name.split(mark)[0] for name in parameters for mark in PHI if mark in name}
    modules = dict(model.named_modules())
    hooks = []
    for owner in sorted(owners):
        own = {n.removeprefix(f"{owner}."): v for n, v in parameters.items() if n.startswith(owner)}
        module = modules[owner if owner in modules else f"{prefix}.{owner}"]
        if "ia3_l" in own and own["ia3_l"].shape[0] == 1:  # the MLP's last matrix
            hooks.append(module.register_forward_pre_hook(partial(_scaled_inputs, own["ia3_l"])))
        else:
            hooks.append(module.register_forward_hook(partial(_with_phi, own)))
    return hooks


def _scaled_inputs(scales: torch.Tensor, module: Any, inputs: Any) -> Any:
    return (inputs[0] * scales[0],)


def _with_phi(own: dict[str, torch.Tensor], module: Any, inputs: Any, output: Any) -> Any:
    states = output[0] if isinstance(output, tuple) else output
    if "ia3_l" in own:
        states = states * own["ia3_l"][:, 0]
    elif "lora_A.weight" in own:
        low = inputs[0] @ own["lora_A.weight"].T
        states = states + LORA_SCALE * low @ own["lora_B.weight"].T
    else:
        inner = states @ own["adapter.down.weight"].T + own["adapter.down.bias"]
        inner = F.gelu(inner, approximate="tanh")
        states = states + inner @ own["adapter.up.weight"].T + own["adapter.up.bias"]
    return (states, *output[1:]) if isinstance(output, tuple) else states


def own_loss(model: Any, parameters: dict[str, torch.Tensor], pieces: list[Any]) -> torch.Tensor:
    """Mean NLL of the pieces' replies by the model's own forward pass, one window at a time.

    Args:
        model: a causal LM of `transformers`.
        parameters: by the model's own names.
        pieces: replies of windows.
    """
    hooks = plain_phi(model, parameters)
    own = {n: value for n, value in parameters.items() if not any(mark in n for mark in PHI)}
    parts = []
    for piece in pieces:
        ids = torch.tensor([piece.ids])
        logits = torch.func.functional_call(model, own, (ids,), {"use_cache": False}).logits
        places = [p for span in piece.spans for p in range(span.start, span.end)]
        before = torch.tensor(places) - 1
        parts.append(F.cross_entropy(logits[0, before], ids[0, places], reduction="none"))
    for hook in hooks:
        hook.remove()
    return torch.cat(parts).mean()


def own_names(learner: Any, parameters: dict[str, torch.Tensor], model: Any) -> dict[str, Any]:
    """The learner's parameters under the model's own names, the special rows joined."""
    joined = dict(parameters)
    table = learner.model.table
    joined[table] = torch.cat([joined[table], joined.pop("special.weight")])
    heads = {}
    if "lm_head.weight" in joined:
        parts = [joined.pop("lm_head.weight"), joined.pop("lm_head.special.weight")]
        heads["weight"] = torch.cat(parts)
    if "lm_head.bias" in joined:
        heads["bias"] = joined.pop("lm_head.bias")
    trunk, head = model.get_decoder(), model.get_output_embeddings()
    modules = dict(model.named_modules())
    prefix = next(name for name, module in modules.items() if module is trunk)
    head_name = next(name for name, module in modules.items() if module is head)
    named = {f"{prefix}.{name}": value for name, value in joined.items()}
    if "weight" not in heads and head.weight is model.get_input_embeddings().weight:
        heads["weight"] = joined[table]
    return named | {f"{head_name}.{name}": value for name, value in heads.items()}

"""Tiny random models of many architectures, and their own forward pass as the reference."""

from dataclasses import dataclass, field
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


def plain_bottlenecks(model: Any, parameters: dict[str, torch.Tensor]) -> list[Any]:
    """Hooks that add Houlsby's bottlenecks, written out plainly, to a model's branches."""
    trunk = model.get_decoder()
    prefix = next(name for name, module in model.named_modules() if module is trunk)

    def adapted(name: str) -> Any:
        down, up = (
            [parameters[f"{prefix}.{name}.adapter.{part}.{kind}"] for kind in ("weight", "bias")]
            for part in ("down", "up")
        )

        def hook(module: Any, inputs: Any, output: Any) -> Any:
            states = output[0] if isinstance(output, tuple) else output
            inner = F.gelu(states @ down[0].T + down[1], approximate="tanh")
            states = states + inner @ up[0].T + up[1]
            return (states, *output[1:]) if isinstance(output, tuple) else states

        return hook

    modules = dict(trunk.named_modules())
    names = sorted({n.split(".adapter.")[0] for n in parameters if ".adapter." in n})
    names = [name.removeprefix(f"{prefix}.") for name in names]
    return [modules[name].register_forward_hook(adapted(name)) for name in names]


def own_loss(model: Any, parameters: dict[str, torch.Tensor], pieces: list[Any]) -> torch.Tensor:
    """Mean NLL of the pieces' replies by the model's own forward pass, one window at a time.

    Args:
        model: a causal LM of `transformers`.
        parameters: by the model's own names.
        pieces: replies of windows.
    """
    hooks = plain_bottlenecks(model, parameters)
    own = {name: value for name, value in parameters.items() if ".adapter." not in name}
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

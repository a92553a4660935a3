"""The facts of a .gguf file beside its tensors: does the model made of them have each?

`transformers` has a table of facts for each architecture and passes over the others, so that a
class's default stands in their place: another rotary base, no sliding window, no scaling. Nothing
in the tensors would show it. So every fact must be what the configuration has, or known to say
nothing.
"""

from collections.abc import Mapping
from math import isclose
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError, one_line


# The tensors say these: one that is missing, or has another shape, is refused.
_PROVEN = (
    "block_count",
    "embedding_length",
    "feed_forward_length",
    "use_parallel_residual",  # StableLM's converter may write it wrong
    "vocab_size",
)
# These move no number: how a file was converted; a context of scaling, whose type is refused.
_SILENT = ("tensor_data_layout", "pooling_type", "rope.scaling.original_context_length")
# What every model has that is taken from a file.
_WITHOUT = {
    "attention.causal": True,
    "attention.clamp_kqv": 0.0,
    "attention.max_alibi_bias": 0.0,
    "expert_count": 0,
    "expert_used_count": 0,
    "nextn_predict_layers": 0,
    "rope.scale_linear": 1.0,
    "rope.scaling.attn_factor": 1.0,
    "rope.scaling.factor": 1.0,
    "rope.scaling.finetuned": False,
    "rope.scaling.type": "none",
}
# Of 27 B parameters, known by their layers: queries are scaled by the width for each head.
_SCALED_BY_WIDTH = {("gemma2.", 46), ("gemma3.", 62)}
_EPSILONS = ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps", "norm_epsilon", "norm_eps")
_ROUNDING = 1e-6  # relative; files hold float32


def refuse_lost_facts(facts: Mapping[str, Any], config: Any, path: Path) -> None:
    """Refuse a file with a fact about the model that the model made of it does not have.

    Args:
        facts: all of the file by name, e.g. `llama.rope.freq_base`.
        config: of the model, as `transformers` makes it of the file.
        path: the file, for errors.

    Raises:
        ModelError: names the fact, its value, and what the model would have.
    """
    own = f"{facts['general.architecture']}."
    built = _facts_of(config)
    for name, value in {**_unsaid(own, built, config), **facts}.items():
        fact = name.removeprefix(own) if name.startswith(own) else name.partition(".")[2]
        if not name.startswith(own) and fact in {*built, *_PROVEN, *_SILENT}:
            raise ModelError(
                f"{path}: {one_line(name, 60)} is a fact of another architecture than the file's "
                f"own, {one_line(own[:-1], 40)}; fetch it again"
            )
        if not name.startswith(own) or fact in (*_PROVEN, *_SILENT):
            continue
        if fact not in built or not _same(_felt(fact, value, config), built[fact]):
            has = f"would have {built[fact]!r:.60}" if fact in built else "knows no such fact"
            raise ModelError(
                f"{path}: {one_line(name, 60)} is {one_line(repr(value), 60)}, and the model that "
                f"transformers makes of the file {has}; give a folder with safetensors"
            )


def _unsaid(own: str, built: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """Return what a file means that says nothing: a class of `transformers` may mean another thing.

    Gemma's windows are its architecture's, so there the class's own number stands. Its queries are
    scaled by a number that no file has: by the size of a head, but in the largest models.
    """
    meant = {
        "rope.dimension_count": built["attention.key_length"],
        "rope.freq_base": 10000.0,
        "attention.sliding_window": 0,
        "attention.query_pre_attn_scalar": built["attention.key_length"],
    }
    if (own, config.num_hidden_layers) in _SCALED_BY_WIDTH:
        per_head = config.hidden_size // config.num_attention_heads
        meant["attention.query_pre_attn_scalar"] = per_head
    if own.startswith("gemma"):
        del meant["attention.sliding_window"]
    return {f"{own}{fact}": value for fact, value in meant.items() if fact in built}


def _facts_of(config: Any) -> dict[str, Any]:
    """Return what a configuration has, by the names of GGUF."""
    heads = getattr(config, "num_attention_heads", None) or 1  # a recurrent model has none
    per_head = getattr(config, "head_dim", None) or config.hidden_size // heads
    found = {
        "attention.head_count": heads,
        "attention.head_count_kv": _groups(config, heads),
        "attention.key_length": per_head,
        "attention.value_length": per_head,
        **_rotary(config, per_head),
        **_windows(config),
    }
    named = {
        "context_length": "max_position_embeddings",
        "attn_logit_softcapping": "attn_logit_softcapping",
        "final_logit_softcapping": "final_logit_softcapping",
        "attention.query_pre_attn_scalar": "query_pre_attn_scalar",
    }
    found |= {fact: getattr(config, key) for fact, key in named.items() if hasattr(config, key)}
    epsilon = next((getattr(config, key) for key in _EPSILONS if hasattr(config, key)), None)
    if epsilon is not None:
        norms = ("attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon")
        found |= dict.fromkeys(norms, epsilon)
    return _WITHOUT | found


def _groups(config: Any, heads: int) -> int:
    """Return how many heads have keys and values of their own."""
    if getattr(config, "multi_query", False) and not getattr(
        config, "new_decoder_architecture", False
    ):
        return 1  # Falcon's, whatever its number says
    return getattr(config, "num_key_value_heads", None) or heads


def _rotary(config: Any, per_head: int) -> dict[str, Any]:
    """Return the facts of rotary positions; none if the model has learned ones."""
    rotary = getattr(config, "rope_parameters", None) or {}
    sliding = rotary.get("sliding_attention") or {}  # layers may have tables of their own
    rotary = rotary.get("full_attention") or rotary
    if "rope_theta" not in rotary:
        return {}
    share = rotary.get("partial_rotary_factor") or getattr(config, "partial_rotary_factor", None)
    facts = {
        "rope.dimension_count": int(per_head * (share or 1.0)),
        "rope.freq_base": rotary["rope_theta"],
    }
    return facts | ({"rope.freq_base_swa": sliding["rope_theta"]} if sliding else {})


def _windows(config: Any) -> dict[str, Any]:
    """Return the facts of sliding windows, and which layers have them."""
    kinds = getattr(config, "layer_types", None) or []
    slides = [kind == "sliding_attention" for kind in kinds]
    window = getattr(config, "sliding_window", None) if any(slides) or not kinds else None
    name = "attention.sliding_window"
    facts: dict[str, Any] = {name: _felt(name, window, config)}
    return facts | ({"attention.sliding_window_pattern": slides} if slides else {})


def _felt(fact: str, value: Any, config: Any) -> Any:
    """Return a fact's value; of a sliding window as long as the context, which hides nothing, 0."""
    context = getattr(config, "max_position_embeddings", None)
    whole = isinstance(value, int) and context is not None and value >= context
    return 0 if fact == "attention.sliding_window" and whole else value


def _same(value: object, built: object) -> bool:
    """Tell whether a fact is what a model has. None and 0 are both no window and no soft cap."""
    if isinstance(value, int | float) and isinstance(built, int | float):
        return isclose(value, built, rel_tol=_ROUNDING)
    return value == built or (not value and not built)

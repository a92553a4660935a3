"""What the learner must know of a causal language model: the one seam between architectures.

Everything is asked of `transformers` (`get_input_embeddings`, `get_output_embeddings`,
`get_decoder`, `base_model`, the configuration), and nothing is written per family.
`network/self_check.py` proves on loading that the answers are right for the model at hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from pipeline.errors import ModelError


# Numbers of experts.
_MIXTURES = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
_LAYERS = {"full_attention", "sliding_attention"}  # kinds of layers that our masks know
_GROWING = {"dynamic", "longrope"}  # rotary tables that change with the length of a pass


@dataclass(frozen=True)
class Head:
    """The projection on the vocabulary: logits = cap(scale h Wᵀ + b)."""

    weight: Tensor | None = None  # W, (V, H); null: the embedding (tied)
    bias: Tensor | None = None  # b, (V,)
    scale: float = 1.0
    soft_cap: float | None = None  # cap(z) = c tanh(z / c); null: cap(z) = z


@dataclass(frozen=True)
class Architecture:
    """A causal language model in parts: the trunk, the names in it, the head.

    The trunk is called with embeddings (B, T, H) and returns the states (B, T, H).
    """

    trunk: Any
    table: str  # the embedding's name among the trunk's parameters
    head: Head
    embedding_scale: float = 1.0  # the trunk takes scale x W[ids]
    window: int | None = None  # keys that a query sees in a sliding layer, itself included
    context: int = 1 << 30  # most tokens of a pass

    def without_weights(self) -> "Architecture":
        """Return the same with a head that has its shape and no memory."""
        weight, bias = (
            None if v is None else v.to("meta") for v in (self.head.weight, self.head.bias)
        )
        return replace(self, head=replace(self.head, weight=weight, bias=bias))

    @property
    def config(self) -> Any:
        """The trunk's configuration."""
        return self.trunk.config

    @property
    def width(self) -> int:
        """H."""
        width: int = self.trunk.get_input_embeddings().weight.shape[1]
        return width

    @property
    def layers(self) -> int:
        """How many blocks the trunk has."""
        return len(blocks_of(self.trunk))

    @property
    def attention_width(self) -> int:
        """All heads' queries together."""
        heads = self.config.num_attention_heads
        per_head = getattr(self.config, "head_dim", None) or self.width // heads
        return int(heads * per_head)

    @property
    def mixes_windows(self) -> bool:
        """Whether some layers slide and others do not."""
        return len(set(getattr(self.config, "layer_types", None) or ())) > 1

    @property
    def look_ups(self) -> frozenset[str]:
        """The names of tables that the trunk looks up and multiplies with nothing."""
        return frozenset(
            f"{name}.weight"
            for name, module in self.trunk.named_modules()
            if isinstance(module, nn.Embedding)
        )


def architecture_of(model: Any) -> Architecture:
    """Return the parts of a causal language model of `transformers`.

    Raises:
        ModelError: the model has parts that the learner does not know, named in the message.
    """
    config, trunk = model.config, trunk_of(model)
    kind = config.model_type
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if not isinstance(embedding, nn.Embedding) or not isinstance(head, nn.Linear):
        raise ModelError(f"{kind}: one embedding and one linear head are needed as the base")
    _require_plain(trunk, kind)
    _require_nothing_else(model, trunk, head)
    table = next((n for n, v in trunk.named_parameters() if v is embedding.weight), None)
    if table is None:
        raise ModelError(f"{kind}: the trunk does not hold the embedding; it can't be the base")
    scale = getattr(embedding, "embed_scale", 1.0)
    return Architecture(
        trunk,
        table,
        _head(config, head, tied=head.weight is embedding.weight),
        embedding_scale=float(scale),
        window=_window(config),
        context=longest_context(config),
    )


def trunk_of(model: Any) -> Any:
    """Return the trunk of a causal language model: what takes embeddings and returns states.

    A class may call its head `decoder`, and `get_decoder` then returns that head.

    Raises:
        ModelError: the model does not say what its trunk is.
    """
    for part in (model, model.base_model):
        trunk = part.get_decoder()
        if isinstance(trunk, PreTrainedModel) and trunk is not model:
            return trunk
    raise ModelError(
        f"{model.config.model_type}: {type(model).__name__} has no trunk apart from its head; this "
        "architecture can't be the base"
    )


def longest_context(config: Any) -> int:
    """Return the longest pass whose rotary tables are the same as every shorter pass's.

    A `longrope` or `dynamic` table changes beyond the original context, so that what a token sees
    would depend on the length of the pass.
    """
    longest: int = getattr(config, "max_position_embeddings", None) or 1 << 30
    rotary = getattr(config, "rope_parameters", None) or {}
    # One table, or one for each kind of layer.
    for table in (rotary, *(t for t in rotary.values() if isinstance(t, dict))):
        if table.get("rope_type") in _GROWING:
            original = table.get("original_max_position_embeddings") or getattr(
                config, "original_max_position_embeddings", None
            )
            longest = min(longest, int(original or longest))
    return longest


def blocks_of(trunk: Any) -> nn.ModuleList:
    """Return the trunk's blocks: the shallowest list of as many modules as the trunk has layers.

    Raises:
        ModelError: there is no such list.
    """
    layers = trunk.config.num_hidden_layers
    lists = [
        (name.count("."), module)
        for name, module in trunk.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == layers
    ]
    if not lists:
        raise ModelError(f"{trunk.config.model_type}: no list of {layers} blocks in the trunk")
    return min(lists, key=lambda pair: pair[0])[1]


def branches_of(block: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Return a block's attention and its MLP, whose outputs are added to the residual stream.

    Raises:
        ModelError: the block has not exactly one of each.
    """
    attention, mlp = (
        [child for child in block.children() if type(child).__name__.endswith(ending)]
        for ending in ("Attention", "MLP")
    )
    if len(attention) != 1 or len(mlp) != 1:
        raise ModelError(
            f"{type(block).__name__}: {len(attention)} modules called Attention and {len(mlp)} "
            "called MLP, one of each is needed for bottlenecks; take adapters.kind lora, or all "
            "parameters"
        )
    return attention[0], mlp[0]


def linear_layers(trunk: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the trunk's matrices as (name, module): `nn.Linear`, and GPT-2's `Conv1D`."""
    for name, module in trunk.named_modules():
        if isinstance(module, nn.Linear | Conv1D):
            yield name, module


def _require_plain(trunk: Any, kind: str) -> None:
    config = trunk.config
    experts = [key for key in _MIXTURES if (getattr(config, key, None) or 0) > 1]
    if experts:
        raise ModelError(
            f"{kind}: {experts[0]} is {getattr(config, experts[0])}; a mixture of experts can't be "
            "the base, since its routing has no exact second derivative"
        )
    others = set(getattr(config, "layer_types", None) or ()) - _LAYERS
    if others:
        raise ModelError(
            f"{kind}: layers of kind {', '.join(sorted(others))}; the base may have "
            f"{' and '.join(sorted(_LAYERS))} only"
        )


def _require_nothing_else(model: Any, trunk: Any, head: nn.Linear) -> None:
    """Refuse a model with parameters between trunk and head, which f would not have."""
    known = {id(value) for part in (trunk, head) for value in part.parameters()}
    others = [name for name, value in model.named_parameters() if id(value) not in known]
    if others:
        raise ModelError(
            f"{model.config.model_type}: {others[0]} is neither in its trunk nor in its linear "
            f"head ({len(others)} such tensors); this architecture can't be the base"
        )


def _head(config: Any, head: nn.Linear, *, tied: bool) -> Head:
    scale = float(getattr(config, "logit_scale", None) or 1.0)
    scale /= float(getattr(config, "logits_scaling", None) or 1.0)
    return Head(
        None if tied else head.weight,
        head.bias,
        scale,
        getattr(config, "final_logit_softcapping", None),
    )


def _window(config: Any) -> int | None:
    """Return the sliding window if any layer slides."""
    kinds = getattr(config, "layer_types", None)
    slides = "sliding_attention" in kinds if kinds else getattr(config, "use_sliding_window", True)
    return getattr(config, "sliding_window", None) if slides else None

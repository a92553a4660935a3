"""Where Φ goes: which blocks (`adapters.blocks`), which matrices in them (`adapters.targets`)."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from pipeline.errors import ParamsError
from pipeline.model.base.architecture import blocks_of, linear_layers
from pipeline.params import Adapters


_SHOWN = 8  # names in a message


def blocks_with_phi(trunk: Any, params: Adapters) -> list[nn.Module]:
    """Return the blocks that Φ is inserted into, in their order.

    Raises:
        ModelError: the trunk has no list of blocks.
        ParamsError: `adapters.blocks` names a block that the trunk does not have.
    """
    blocks = list(blocks_of(trunk))
    if params.blocks == "all":
        return blocks
    first, last = params.blocks
    if last >= len(blocks):
        raise ParamsError(
            f"adapters.blocks: [{first}, {last}], but the base has blocks 0 to {len(blocks) - 1}"
        )
    return blocks[first : last + 1]


def attention_of(block: nn.Module) -> nn.Module | None:
    """Return a block's attention; null if no child, or more than one, is called so."""
    return _child(block, "Attention")


def mlp_of(block: nn.Module) -> nn.Module | None:
    """Return a block's MLP; null if no child, or more than one, is called so."""
    return _child(block, "MLP")


def layers_with_phi(
    trunk: Any, params: Adapters, default: Sequence[nn.Module]
) -> Iterator[tuple[str, Any]]:
    """Yield the matrices that Φ is hooked on as (name, module), in the trunk's order.

    A pattern of `adapters.targets` matches a whole name, `*` anything: `layers.0.self_attn.q_proj`,
    `*.q_proj`. A last part alone, `q_proj`, matches in every block, as in PEFT.

    Args:
        trunk: of an `Architecture`.
        params: its `blocks` and `targets` are read.
        default: the modules to take if `targets` is null.

    Raises:
        ParamsError: a pattern matches nothing, or `targets` is null and nothing is the default.
    """
    blocks = {id(block) for block in blocks_with_phi(trunk, params)}
    prefixes = tuple(f"{name}." for name, module in trunk.named_modules() if id(module) in blocks)
    layers = {name: layer for name, layer in linear_layers(trunk) if name.startswith(prefixes)}
    if params.targets is None:
        taken = {id(module) for module in default}
        chosen = [name for name, layer in layers.items() if id(layer) in taken]
        if not chosen:
            raise ParamsError(
                f"adapters.targets: null, but this base has no matrices that {params.kind} takes "
                f"by itself; name some: {_shown(layers)}"
            )
    else:
        for pattern in params.targets:
            if not any(_matches(name, pattern) for name in layers):
                raise ParamsError(
                    f"adapters.targets: {pattern!r} matches no matrix of the blocks with Φ; "
                    f"there are {_shown(layers)}"
                )
        chosen = [n for n in layers if any(_matches(n, p) for p in params.targets)]
    yield from ((name, layers[name]) for name in chosen)


def sizes_of(layer: Any) -> tuple[int, int]:
    """Return a matrix's (inputs, outputs); GPT-2's `Conv1D` keeps its weight transposed."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    inputs, outputs = layer.weight.shape
    return inputs, outputs


def by_sequence(hidden: Tensor, stacked: Tensor) -> Tensor:
    """Return states that lie end to end, (B T, ...), as (B, T, ...), B being `stacked`'s."""
    return hidden.unflatten(0, (len(stacked), -1))


def _child(block: nn.Module, ending: str) -> nn.Module | None:
    children = [child for child in block.children() if type(child).__name__.endswith(ending)]
    return children[0] if len(children) == 1 else None


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or name.endswith(f".{pattern}")


def _shown(names: Sequence[str] | dict[str, Any]) -> str:
    """Return the last parts of names, each once."""
    last = list(dict.fromkeys(name.rpartition(".")[2] for name in names))
    return ", ".join(last[:_SHOWN]) + (", ..." if len(last) > _SHOWN else "")

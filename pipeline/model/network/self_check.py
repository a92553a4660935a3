"""A base proves itself: f's logits are the model's own, or the base is refused.

So an architecture that nobody has tried is right or refused, never silently wrong. Checked are all
ways in which the learner calls the trunk: twice differentiable, fused, with a mask of its own, with
cached keys, and beside a branch, where a token's place in the pass is not its position.
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from pipeline.errors import ModelError, one_line
from pipeline.model.base.architecture import Architecture, architecture_of
from pipeline.model.network.language_model import Attention, LanguageModel, Parameters
from pipeline.model.sequences.masks import Seen


_TOLERANCE = 1e-3  # of the largest logit: float32 leaves about 1e-6, a fault 1e-2 and more
_SEQUENCES, _TOKENS = 2, 48
_SPECIAL = 6  # rows at the end of the tables that f keeps apart
_READ_FIRST = 16  # tokens of the first of two passes, and those in front of a branch
_SHORTEST = -(
    -4 * (_READ_FIRST + 1) // 3
)  # the shortest context in which a second pass has a token
_BRANCH = 512  # tokens of a branch: more than most local windows


def require_own_logits(network: Any) -> float:
    """Compare f's logits on random sequences with those of a causal LM's own `forward`.

    Args:
        network: a causal LM of `transformers`, on the CPU; it is not changed.

    Returns:
        The largest difference, as a share of the largest logit.

    Raises:
        ModelError: the model has parts that the learner does not know, its context is too short, or
            f's logits are not the model's own; the message names the way of calling and the
            largest difference.
    """
    ids = _ids(architecture_of(network))
    own = _called("by itself", partial(_own_logits, network, ids))
    largest = 0.0
    for way, logits in _ways(network, ids):
        difference = ((logits - own).abs().max() / own.abs().max()).item()
        if not difference <= _TOLERANCE:
            raise ModelError(
                f"{network.config.model_type}, called {way}: the learner's logits are not the "
                f"model's own (largest difference {difference:.2g} of the largest logit, "
                f"{_TOLERANCE:g} is allowed); this architecture can't be the base"
            )
        largest = max(largest, difference)
    return largest


def _ids(architecture: Architecture) -> Tensor:
    """Return random tokens (B, T), more of them than a small sliding window holds."""
    if architecture.context < _SHORTEST:
        raise ModelError(
            f"{architecture.config.model_type}: a longest context of {architecture.context} "
            f"tokens; at least {_SHORTEST} are needed; is max_position_embeddings of config.json "
            "right?"
        )
    rows = architecture.trunk.get_input_embeddings().weight.shape[0]
    length = max(_TOKENS, 2 * (architecture.window or 0))
    length = min(length, 3 * architecture.context // 4, 16 * _TOKENS)  # a branch has room, too
    return torch.randint(rows, (_SEQUENCES, length), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def _own_logits(network: Any, ids: Tensor) -> Tensor:
    model = _sharing_copy(network)
    model.set_attn_implementation("eager")  # the only one that knows every family's options
    logits: Tensor = model.eval()(ids, use_cache=False).logits
    return logits


def _ways(network: Any, ids: Tensor) -> Iterator[tuple[str, Tensor]]:
    kinds: tuple[tuple[str, Attention], ...] = (
        ("twice differentiable", "eager"),
        ("fused", "sdpa"),
    )
    calls = (
        ("as it is", _plain),
        ("with a mask", _masked),
        ("in two passes", _cached),
        ("beside a branch", _branched),
    )
    for kind, attention in kinds:
        architecture = architecture_of(_sharing_copy(network))
        model = LanguageModel(architecture, num_special=_SPECIAL, attention=attention)
        parameters = model.take_parameters()
        for how, call in calls:
            with torch.set_grad_enabled(attention == "eager" and call in (_plain, _masked)):
                states = _called(f"{kind} {how}", partial(call, model, parameters, ids))
            with torch.no_grad():
                yield f"{kind} {how}", model.logits(parameters, states)


def _called(way: str, read: Callable[[], Tensor]) -> Tensor:
    try:
        return read()
    except Exception as error:  # an architecture may raise anything where it is called otherwise
        raise ModelError(
            f"called {way}, the base fails: {type(error).__name__}: {one_line(error)}; this "
            "architecture can't be the base"
        ) from error


def _plain(model: LanguageModel, parameters: Parameters, ids: Tensor) -> Tensor:
    return model.hidden(parameters, ids)


def _masked(model: LanguageModel, parameters: Parameters, ids: Tensor) -> Tensor:
    return model.hidden(parameters, ids, seen=_causal(0, ids.shape[1]))


def _cached(model: LanguageModel, parameters: Parameters, ids: Tensor) -> Tensor:
    cache = DynamicCache()
    first = model.hidden(parameters, ids[:, :_READ_FIRST], cache=cache)
    seen = _causal(_READ_FIRST, ids.shape[1])
    return torch.cat(
        [first, model.hidden(parameters, ids[:, _READ_FIRST:], seen=seen, cache=cache)], dim=1
    )


def _branched(model: LanguageModel, parameters: Parameters, ids: Tensor) -> Tensor:
    """Read a branch of strangers between the first tokens and the rest, which does not see it."""
    length = ids.shape[1]
    size = min(_BRANCH, model.architecture.context - length)
    strangers = ids.flip(1).repeat(1, -(-size // length))[:, :size]
    first, rest = ids[:, :_READ_FIRST], ids[:, _READ_FIRST:]
    after = _READ_FIRST + size  # where the rest begins in the pass
    mask = torch.ones(length + size, length + size, dtype=torch.bool).tril()
    mask[after:, _READ_FIRST:after] = False
    places = torch.arange(after)
    places = torch.cat([places, torch.arange(_READ_FIRST, length)]).expand(_SEQUENCES, -1)
    seen = Seen.each_other(mask.expand(_SEQUENCES, -1, -1), places)
    states = model.hidden(parameters, torch.cat([first, strangers, rest], dim=1), seen=seen)
    return torch.cat([states[:, :_READ_FIRST], states[:, after:]], dim=1)


def _causal(first: int, length: int) -> Seen:
    """Return what the tokens from `first` on see: everything up to themselves."""
    mask = torch.ones(length, length, dtype=torch.bool).tril()[first:]
    places = torch.arange(length).expand(_SEQUENCES, -1)
    return Seen(mask.expand(_SEQUENCES, -1, -1), places[:, first:], places)


def _sharing_copy(network: Any) -> Any:
    """Return a copy whose parameters and buffers are the network's own."""
    tensors = chain(network.parameters(), network.buffers())
    return copy.deepcopy(network, {id(t): t for t in tensors})

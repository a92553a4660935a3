"""A trained learner as a plain model, for `transformers` and other readers of its folders."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from pipeline.errors import ModelError
from pipeline.model.base.architecture import linear_layers, trunk_of
from pipeline.model.network.learner import Learner
from pipeline.model.network.next_utterance import HEAD
from pipeline.model.network.projection import BIAS, SPECIAL, SPECIAL_WEIGHT, WEIGHT
from pipeline.params import Adapters


_MARKS = {"bottleneck": ".adapter.", "lora": ".lora_", "ia3": ".ia3_l"}  # in the names of Φ


def phi_of(learner: Learner, adapters: Adapters | None) -> dict[str, Tensor]:
    """Return Φ's tensors by their names in the trunk; none for a variant without adapters."""
    if adapters is None:
        return {}
    mark = _MARKS[adapters.kind]
    return {name: value for name, value in learner.theta.items() if mark in name}


def as_plain(learner: Learner, model: Any, adapters: Adapters | None = None) -> Any:
    """Overwrite the parameters of `model` with the learner's, and return `model`.

    The special tokens' rows follow the plain vocabulary's, as in the base: in the embedding, and in
    a head of its own where there is one. A head of next-utterance prediction is left out, because a
    language model has no place for it; so is Φ, which has files of its own.

    Args:
        learner: a trained learner.
        model: the base, a causal LM of `transformers`.
        adapters: Φ of the variant; null: it has none.

    Raises:
        ModelError: the learner's parameters are not exactly those of `model`.
    """
    state = _model_names(learner, model, phi_of(learner, adapters))
    expected = dict(model.named_parameters())
    shapes = [{n: tuple(v.shape) for n, v in each.items()} for each in (expected, state)]
    differing = sorted(dict(shapes[0].items() ^ shapes[1].items()))
    if differing:
        raise ModelError(
            f"{differing[0]} and {len(differing) - 1} other tensors are not those of a "
            f"{model.config.model_type} of this configuration; is models/base another one now?"
        )
    with torch.no_grad():
        for name, value in expected.items():
            value.copy_(state[name])
    return model


@torch.no_grad()
def merge(model: Any, phi: Mapping[str, Tensor], adapters: Adapters) -> None:
    """Add LoRA or (IA)³ to the matrices of `model`, in place: the same function without Φ.

    Args:
        model: as `as_plain` returns it.
        phi: as `phi_of` returns it.
        adapters: kind `lora` or `ia3`, and alpha.
    """
    layers: list[tuple[str, Any]] = list(linear_layers(trunk_of(model)))
    for name, layer in layers:
        weight = layer.weight.T if isinstance(layer, Conv1D) else layer.weight  # (out, in), a view
        if f"{name}.lora_A.weight" in phi:
            low, high = (phi[f"{name}.lora_{part}.weight"].double().cpu() for part in "AB")
            weight.copy_(weight.double() + adapters.alpha / adapters.rank * (high @ low))
        elif f"{name}.ia3_l" in phi:
            scales = phi[f"{name}.ia3_l"].cpu()  # (outputs, 1), or (1, inputs) of an MLP's last
            weight.mul_(scales)
            if scales.shape[1] == 1 and layer.bias is not None:
                layer.bias.mul_(scales[:, 0])


def _model_names(learner: Learner, model: Any, phi: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the learner's parameters under the model's own names, plain and special rows joined.

    A tied head has no name of its own in `named_parameters`, and so none here.
    """
    own, table = learner.parameters(learner.theta), learner.model.table
    own = {name: value for name, value in own.items() if name not in phi and name != HEAD}
    head = {}
    if WEIGHT in own:
        head["weight"] = _joined(own.pop(WEIGHT), own.pop(SPECIAL_WEIGHT))  # (V + S, H)
    if BIAS in own:
        head["bias"] = own.pop(BIAS)
    own[table] = _joined(own[table], own.pop(SPECIAL))
    trunk = name_of(model, trunk_of(model))
    projection = name_of(model, model.get_output_embeddings())
    return {f"{trunk}.{name}": value for name, value in own.items()} | {
        f"{projection}.{name}": value for name, value in head.items()
    }


def _joined(plain: Tensor, special: Tensor) -> Tensor:
    return torch.cat([plain.to(special.dtype), special])  # a fixed φ may be kept in bfloat16


def name_of(model: Any, part: nn.Module) -> str:
    """Return a module's name in the model."""
    return next(name for name, module in model.named_modules() if module is part)

"""A trained learner as a plain model, for `transformers` and other readers of its folders."""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.model.network.learner import Learner
from pipeline.model.network.next_utterance import HEAD
from pipeline.model.network.projection import BIAS, SPECIAL, SPECIAL_WEIGHT, WEIGHT


def as_plain(learner: Learner, model: Any) -> Any:
    """Overwrite the parameters of `model` with the learner's, and return `model`.

    The special tokens' rows follow the plain vocabulary's, as in the base: in the embedding, and in
    a head of its own where there is one. A head of next-utterance prediction is left out, because a
    language model has no place for it.

    Args:
        learner: a trained learner of a variant without adapters.
        model: the base, a causal LM of `transformers`.

    Raises:
        ModelError: the learner's parameters are not exactly those of `model`.
    """
    state = _model_names(learner, model)
    expected = dict(model.named_parameters())
    shapes = [{n: tuple(v.shape) for n, v in each.items()} for each in (expected, state)]
    differing = sorted(dict(shapes[0].items() ^ shapes[1].items()))
    if differing:
        raise ModelError(
            f"{differing[0]} and {len(differing) - 1} other tensors are not those of a "
            f"{model.config.model_type} of this configuration; export a variant without adapters"
        )
    with torch.no_grad():
        for name, value in expected.items():
            value.copy_(state[name])
    return model


def _model_names(learner: Learner, model: Any) -> dict[str, Tensor]:
    """Return the learner's parameters under the model's own names, plain and special rows joined.

    A tied head has no name of its own in `named_parameters`, and so none here.
    """
    own, table = learner.parameters(learner.theta), learner.model.table
    own.pop(HEAD, None)
    head = {}
    if WEIGHT in own:
        head["weight"] = torch.cat([own.pop(WEIGHT), own.pop(SPECIAL_WEIGHT)])  # (V + S, H)
    if BIAS in own:
        head["bias"] = own.pop(BIAS)
    own[table] = torch.cat([own[table], own.pop(SPECIAL)])
    trunk = _name_of(model, model.get_decoder())
    projection = _name_of(model, model.get_output_embeddings())
    return {f"{trunk}.{name}": value for name, value in own.items()} | {
        f"{projection}.{name}": value for name, value in head.items()
    }


def _name_of(model: Any, part: nn.Module) -> str:
    return next(name for name, module in model.named_modules() if module is part)

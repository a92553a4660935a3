"""A trained learner as a plain GPT-2, for `transformers` and other readers of its folders."""

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from pipeline.errors import ModelError
from pipeline.model.network.learner import Learner
from pipeline.model.network.next_utterance import HEAD
from pipeline.model.network.projection import SPECIAL


def as_gpt2(learner: Learner, gpt2: GPT2LMHeadModel) -> GPT2LMHeadModel:
    """Overwrite the parameters of `gpt2` with the learner's, and return `gpt2`.

    The special tokens' rows follow the plain vocabulary's, as in the base. A head of next-utterance
    prediction is left out, because a language model has no place for it.

    Args:
        learner: a trained learner of a variant without adapters.
        gpt2: a model of the same configuration.

    Raises:
        ModelError: the learner's parameters are not exactly those of `gpt2`.
    """
    state = _gpt2_names(learner)
    expected = {name: value.shape for name, value in gpt2.named_parameters()}
    differing = sorted(dict(expected.items() ^ {n: v.shape for n, v in state.items()}.items()))
    if differing:
        raise ModelError(
            f"{differing[0]} and {len(differing) - 1} other tensors are not those of a GPT-2 of "
            "this configuration; export a variant without adapters"
        )
    with torch.no_grad():
        for name, value in gpt2.named_parameters():
            value.copy_(state[name])
    return gpt2


def _gpt2_names(learner: Learner) -> dict[str, Tensor]:
    parameters, table = learner.parameters(learner.theta), learner.model.table
    whole = torch.cat([parameters[table], parameters[SPECIAL]])  # (V + S, H)
    others = {n: v for n, v in parameters.items() if n not in (table, SPECIAL, HEAD)}
    return {f"transformer.{name}": value for name, value in {table: whole, **others}.items()}

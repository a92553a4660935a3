"""A trained learner as a plain GPT-2, for `transformers` and whatever reads its folders."""

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from pipeline.errors import ModelError
from pipeline.model.network.language_model import SPECIAL, WTE
from pipeline.model.network.learner import Learner
from pipeline.model.network.next_utterance import HEAD


def as_gpt2(learner: Learner, gpt2: GPT2LMHeadModel) -> GPT2LMHeadModel:
    """Return `gpt2` with the learner's parameters in the place of its own.

    The rows of the special tokens stand behind the vocabulary's, as in the base. A head of
    next-utterance prediction is left out: a language model has no place for it.

    Args:
        learner: trained, of any variant without adapters.
        gpt2: a model of the same configuration, which is overwritten.

    Raises:
        ModelError: the learner has parameters that a GPT-2 lacks, or lacks some of it.
    """
    state = _gpt2_names(learner.parameters(learner.theta))
    expected = {name: value.shape for name, value in gpt2.named_parameters()}
    differing = sorted(dict(expected.items() ^ {n: v.shape for n, v in state.items()}.items()))
    if differing:
        raise ModelError(
            f"{differing[0]} and {len(differing) - 1} other tensors are not those of a GPT-2 of "
            "this configuration; a variant with adapters cannot be exported, one without can"
        )
    with torch.no_grad():
        for name, value in gpt2.named_parameters():
            value.copy_(state[name])
    return gpt2


def _gpt2_names(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    table = torch.cat([parameters[WTE], parameters[SPECIAL]])  # (V + S, H)
    others = {n: value for n, value in parameters.items() if n not in (WTE, SPECIAL, HEAD)}
    return {f"transformer.{name}": value for name, value in {WTE: table, **others}.items()}

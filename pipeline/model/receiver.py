"""P² Bot's receiver: how much an utterance is about a persona sentence.

A sentence's embedding is the mean of the last layer's states over its tokens. The encoder is φ's
own body, trained further; its word embeddings stay as they are. Causal attention is enough for a
mean: it holds the states that have seen all of the sentence.

N sentences, U utterances, P persona sentences, H width.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.model.language_model import SPECIAL, WTE, LanguageModel
from pipeline.model.tokenizer import SPECIAL_TOKENS


FROZEN = (WTE, SPECIAL)  # as P² Bot's: word embeddings are not trained


class Receiver:
    """A sentence encoder whose trained parameters are an argument.

    Args:
        model: φ's body.
        tokenizer: the base's.

    `theta` may be set: what is trained, φ's own at first.
    """

    def __init__(self, model: LanguageModel, tokenizer: Any) -> None:
        parameters = model.initial_parameters()
        self.model = model
        self.fixed = {name: parameters.pop(name) for name in FROZEN}
        self.theta = parameters
        self._tokenizer = tokenizer
        self._ids: dict[str, list[int]] = {}

    def embed(self, theta: Mapping[str, Tensor], sentences: Sequence[str]) -> Tensor:
        """Return the embeddings of N sentences: (N, H), each of length √H."""
        ids = [self._encode(sentence) for sentence in sentences]
        longest = max(map(len, ids))
        device = self.fixed[WTE].device
        padded = torch.tensor([one + [0] * (longest - len(one)) for one in ids], device=device)
        lengths = torch.tensor([len(one) for one in ids], device=device)
        hidden = self.model.hidden({**self.fixed, **theta}, padded).last_hidden_state  # (N, T, H)
        return masked_mean(hidden, lengths)

    def _encode(self, sentence: str) -> list[int]:
        """Return a sentence's ids, of which there is at least one: an empty one is a blank."""
        if sentence not in self._ids:
            self._ids[sentence] = self._tokenizer.encode(" " + sentence, add_special_tokens=False)
        return self._ids[sentence]


def build_receiver(base: tuple[Any, Any], device: torch.device) -> Receiver:
    """Build the receiver on φ, as `load_base` returns it; φ is not used afterwards."""
    gpt2, tokenizer = base
    model = LanguageModel(gpt2.transformer, num_special=len(SPECIAL_TOKENS), attention="sdpa")
    return Receiver(model.to(device), tokenizer)


def masked_mean(hidden: Tensor, lengths: Tensor) -> Tensor:
    """Average (N, T, H) over each sentence's own tokens and scale it to length √H: (N, H).

    A BERT's states have about that length by their last normalisation; a GPT-2's may be a hundred
    times as long, and no margin would mean anything.
    """
    real = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]  # (N, T)
    mean = (hidden * real[..., None]).sum(1) / lengths[:, None]
    return F.layer_norm(mean, mean.shape[-1:])


def relevance(utterances: Tensor, sentences: Tensor) -> Tensor:
    """Return M[u, p] = e_u · e_p / int(√H): (U, H), (..., P, H) -> (..., U, P)."""
    scale = int(utterances.shape[-1] ** 0.5)
    return utterances @ sentences.transpose(-1, -2) / scale


def soft_score(matrix: Tensor, tau: float) -> Tensor:
    """Return Σ_u Σ_p softmax_p(τM) M: (..., U, P) -> (...).

    At τ = 0 an utterance counts with its mean over the persona, at τ → ∞ with its best sentence.
    Personas that are compared have as many sentences, so there is no padding to be masked.
    """
    return ((tau * matrix).softmax(-1) * matrix).sum((-2, -1))


def perception(matrix: Tensor) -> Tensor:
    """Return how much each utterance shows of a persona, max_p M[u, p]: (..., U, P) -> (..., U)."""
    return matrix.amax(-1)

"""P² Bot's receiver: how much an utterance is about a persona sentence.

A sentence is the mean over its tokens of the word embeddings and of the last layer's states,
projected. The encoder is φ's own body, trained further; its word embeddings stay as they are.
Causal attention is enough for a mean: the last states have seen all of the sentence. In a GPT-2's
embeddings every sentence is like every other (Ethayarajh 2019), so the projection starts as the
whitening of some sentences' mean word embeddings (Su et al. 2021); its weights on the states start
at zero.

N sentences, U utterances, P persona sentences, H width.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.model.base.architecture import architecture_of
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.network.language_model import LanguageModel
from pipeline.model.network.projection import OWN, SPECIAL


WEIGHT, BIAS = "projection.weight", "projection.bias"
_AT_ONCE = 512  # sentences in a pass that only reads
_RIDGE = 1e-3  # share of the mean variance that is added to every direction's variance


class Receiver:
    """A sentence encoder whose trained parameters are an argument.

    Args:
        model: φ's body.
        tokenizer: the base's.

    `theta` holds the trained tensors, φ's own at first; it may be set.
    """

    def __init__(self, model: LanguageModel, tokenizer: Any) -> None:
        parameters = model.take_parameters()
        self.model = model
        self.phi = dict(parameters)  # the language model from which the receiver starts
        # As P² Bot's: word embeddings are not trained. The projection has no part in a sentence.
        frozen = {model.table, SPECIAL, *OWN} & parameters.keys()
        self.fixed = {name: parameters.pop(name) for name in sorted(frozen)}
        width, like = model.architecture.width, self.fixed[model.table]
        parameters[WEIGHT] = torch.eye(width, 2 * width, dtype=like.dtype, device=like.device)
        parameters[BIAS] = like.new_zeros(width)
        self.theta = parameters
        self.end_of_text: int = tokenizer.eos_token_id
        self._tokenizer = tokenizer
        self._ids: dict[str, list[int]] = {}

    def embed(self, theta: Mapping[str, Tensor], sentences: Sequence[str]) -> Tensor:
        """Return the embeddings of N sentences: (N, H), each of length √H."""
        projected = F.linear(self.pool(theta, sentences), theta[WEIGHT], theta[BIAS])
        return F.normalize(projected, dim=-1) * projected.shape[-1] ** 0.5

    def pool(self, theta: Mapping[str, Tensor], sentences: Sequence[str]) -> Tensor:
        """Return each sentence's mean word embedding and mean last state: (N, 2H)."""
        ids = [self._encode(sentence) for sentence in sentences]
        longest = max(map(len, ids))
        device = self.fixed[SPECIAL].device
        padded = torch.tensor([one + [0] * (longest - len(one)) for one in ids], device=device)
        lengths = torch.tensor([len(one) for one in ids], device=device)
        body = {name: value for name, value in theta.items() if name not in (WEIGHT, BIAS)}
        parameters = {**self.fixed, **body}
        words = self.model.embed(parameters, padded)  # (N, T, H)
        states = self.model.hidden(parameters, padded)
        return masked_mean(torch.cat([words, states], -1), lengths)

    @torch.no_grad()
    def whiten(self, sentences: Sequence[str]) -> None:
        """Set the projection so that the word part of `sentences` has mean 0 and covariance I.

        The projection of the states is zero.
        """
        width = self.theta[BIAS].numel()
        chunks = [sentences[i : i + _AT_ONCE] for i in range(0, len(sentences), _AT_ONCE)]
        pooled = torch.cat([self.pool(self.theta, chunk)[:, :width] for chunk in chunks]).double()
        variances, directions = torch.linalg.eigh(torch.cov(pooled.T, correction=0))
        scales = (variances + _RIDGE * variances.mean()).rsqrt()
        weight = directions * scales @ directions.T  # (H, H), the symmetric root
        self.theta[WEIGHT] = torch.cat([weight, torch.zeros_like(weight)], -1).to(
            self.theta[WEIGHT]
        )
        self.theta[BIAS] = (-weight @ pooled.mean(0)).to(self.theta[BIAS])

    def _encode(self, sentence: str) -> list[int]:
        """Return a sentence's ids, at least one: an empty sentence is encoded as a blank."""
        if sentence not in self._ids:
            self._ids[sentence] = self._tokenizer.encode(" " + sentence, add_special_tokens=False)
        return self._ids[sentence]


def build_receiver(base: tuple[Any, Any], device: torch.device) -> Receiver:
    """Build the receiver on φ, as `load_base` returns it; the receiver owns φ from then on."""
    network, tokenizer = base
    architecture = architecture_of(network)
    model = LanguageModel(architecture, num_special=len(SPECIAL_TOKENS), attention="sdpa")
    return Receiver(model.to(device), tokenizer)


def masked_mean(hidden: Tensor, lengths: Tensor) -> Tensor:
    """Average (N, T, H) over each sentence's own tokens: (N, H)."""
    real = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]  # (N, T)
    return (hidden * real[..., None]).sum(1) / lengths[:, None]


def relevance(utterances: Tensor, sentences: Tensor) -> Tensor:
    """Return M[u, p] = e_u · e_p / int(√H): (U, H), (..., P, H) -> (..., U, P)."""
    scale = int(utterances.shape[-1] ** 0.5)
    return utterances @ sentences.transpose(-1, -2) / scale


def soft_score(matrix: Tensor, tau: float) -> Tensor:
    """Return Σ_u Σ_p softmax_p(τM) M: (..., U, P) -> (...).

    At τ = 0 an utterance counts with its mean over the persona, at τ → ∞ with its best sentence.
    All personas that are compared have the same number of sentences, so nothing is padded.
    """
    return ((tau * matrix).softmax(-1) * matrix).sum((-2, -1))


def perception(matrix: Tensor) -> Tensor:
    """Return how much each utterance shows of a persona, max_p M[u, p]: (..., U, P) -> (..., U)."""
    return matrix.amax(-1)

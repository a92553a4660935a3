"""f_θ: GPT-2 as a function of its parameters, with the projection only where a reply is predicted.

The network is `transformers`' GPT2Model, called through `torch.func.functional_call`; embedding
and output projection are ours, because they are one tied matrix in two parts: the V rows of the
plain vocabulary (`wte.weight`) and the S rows of the special tokens (`special.weight`), a small
tensor of its own that every variant trains. B sequences, T tokens, H width, R predicted tokens.
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from pipeline.errors import ModelError
from pipeline.model.batching import Batch


Parameters = Mapping[str, Tensor]
Attention = Literal["eager", "sdpa"]

WTE = "wte.weight"
SPECIAL = "special.weight"


class LanguageModel:
    """A GPT-2 whose parameters are an argument.

    Args:
        transformer: a GPT2Model, its adapters inserted; its `wte` holds V + S rows.
        num_special: S, the last rows of `wte`.
        attention: `eager` can be differentiated twice (exact meta-gradients); `sdpa` is faster.
    """

    def __init__(self, transformer: Any, *, num_special: int, attention: Attention) -> None:
        self._transformer = transformer.eval().requires_grad_(False)  # no dropout in any loop
        self.config = transformer.config
        self.attention = attention
        transformer.set_attn_implementation(attention)
        self.vocab_size: int = transformer.wte.weight.shape[0] - num_special  # V
        self._initial = self._split(dict(transformer.named_parameters()))

    def _split(self, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        table = parameters.pop(WTE).detach()
        split = {WTE: table[: self.vocab_size].clone(), SPECIAL: table[self.vocab_size :].clone()}
        return split | {name: value.detach().clone() for name, value in parameters.items()}

    def initial_parameters(self) -> dict[str, Tensor]:
        """Return a copy of the parameters as they were given, under their names here."""
        return {name: value.clone() for name, value in self._initial.items()}

    def to(self, device: torch.device) -> "LanguageModel":
        """Move the network and the initial parameters; return self."""
        self._transformer.to(device)
        self._initial = {name: value.to(device) for name, value in self._initial.items()}
        return self

    def double(self) -> "LanguageModel":
        """Change to float64, for checks against finite differences; return self."""
        self._transformer.double()
        self._initial = {name: value.double() for name, value in self._initial.items()}
        return self

    def hidden(self, parameters: Parameters, ids: Tensor, **options: Any) -> Any:
        """Run the network on `ids` (B, T).

        Returns:
            GPT2Model's output; `last_hidden_state` is (B, T, H).
        """
        inner = {name: value for name, value in parameters.items() if name not in (WTE, SPECIAL)}
        embeddings = self.embed(parameters, ids)
        keywords = {"inputs_embeds": embeddings, "use_cache": False} | options
        return functional_call(self._transformer, inner, (), keywords)

    def embed(self, parameters: Parameters, ids: Tensor) -> Tensor:
        """Return the tied table's rows of `ids`: (..., H)."""
        plain = F.embedding(ids.clamp(max=self.vocab_size - 1), parameters[WTE])
        special = F.embedding((ids - self.vocab_size).clamp(min=0), parameters[SPECIAL])
        return torch.where((ids >= self.vocab_size).unsqueeze(-1), special, plain)

    def logits(self, parameters: Parameters, hidden: Tensor) -> Tensor:
        """Project (..., H) on the tied table: (..., V + S)."""
        return torch.cat([hidden @ parameters[WTE].T, hidden @ parameters[SPECIAL].T], dim=-1)

    def token_nll(self, parameters: Parameters, batch: Batch) -> Tensor:
        """Return the negative log-likelihood of each predicted token: (R,), nats."""
        hidden = self.hidden(parameters, batch.ids).last_hidden_state
        logits = self.logits(parameters, hidden[batch.rows, batch.columns])  # (R, V + S)
        return F.cross_entropy(logits, batch.targets, reduction="none")

    def loss(self, parameters: Parameters, batch: Batch) -> Tensor:
        """Return a set of replies' loss: NLL over reply and closing tokens, per token, nats."""
        return self.token_nll(parameters, batch).mean()

    def require_twice_differentiable(self) -> None:
        """Refuse fused attention, which has no second derivative.

        Raises:
            ModelError: the attention is not `eager`.
        """
        if self.attention != "eager":
            raise ModelError(
                f"exact meta-gradients need attention `eager`, found `{self.attention}`: fused "
                "attention has no second derivative; use meta_gradient first_order or reptile"
            )

"""f_θ: GPT-2 as a function of its parameters, projected on the vocabulary only at the replies.

The network is `transformers`' GPT2Model, called through `torch.func.functional_call`. Embedding and
output projection are ours: they are one tied matrix, kept in two parts. The V rows of the plain
vocabulary are `wte.weight`. The S rows of the special tokens are `special.weight`, a small tensor
of its own, which every variant trains.

Several tasks can share one pass if they differ in Φ and the special rows alone. Their tensors are
then stacked: a parameter with one dimension more than at the start has one value for each task.

B sequences, T tokens, H width, R predicted tokens, N tasks.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from pipeline.errors import ModelError
from pipeline.model.derivatives.attention import TWICE
from pipeline.model.derivatives.cross_entropy import tied_nll
from pipeline.model.derivatives.gelu import Gelu
from pipeline.model.derivatives.twice_differentiable import set_twice
from pipeline.model.network import next_utterance
from pipeline.model.network.next_utterance import HEAD
from pipeline.model.network.per_thread import PerThread
from pipeline.model.sequences.batching import Batch
from pipeline.model.sequences.masks import additive_mask
from pipeline.params import NextUtterance


Parameters = Mapping[str, Tensor]
Attention = Literal["eager", "sdpa"]
Precision = Literal["float32", "bfloat16"]

WTE = "wte.weight"
SPECIAL = "special.weight"
ROWS = "wte.rows"  # W[ids], (B, T, H), if given apart from the table
_OWN = (WTE, SPECIAL, HEAD, ROWS)  # handled here, not by GPT2Model


class LanguageModel:
    """A GPT-2 whose parameters are an argument. Any number of threads may call it at once.

    `precision` is that of the losses' matrix products; it may be set. Parameters, normalisations,
    softmax and `hidden` keep the parameters' own precision.

    Args:
        transformer: a GPT2Model with its adapters inserted; its `wte` holds V + S rows.
        num_special: S; the special tokens' rows are the last of `wte`.
        attention: `eager` can be differentiated twice (exact meta-gradients); `sdpa` is faster.
        objective: next-utterance prediction; null: none.
        head: the initial head of next-utterance prediction; null: none.
    """

    def __init__(
        self,
        transformer: Any,
        *,
        num_special: int,
        attention: Attention,
        objective: NextUtterance | None = None,
        head: Tensor | None = None,
    ) -> None:
        self._networks = PerThread(transformer.eval().requires_grad_(False))  # without dropout
        self.config = transformer.config
        self.attention = attention
        self.precision: Precision = "float32"
        _fuse_activation(transformer)
        _differentiate(transformer, twice=attention == "eager")
        self.vocab_size: int = transformer.wte.weight.shape[0] - num_special  # V
        self.objective = objective
        self._initial = self._split(dict(transformer.named_parameters()))
        if head is not None:
            self._initial[HEAD] = head

    def _split(self, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        table = parameters.pop(WTE).detach()
        split = {WTE: table[: self.vocab_size].clone(), SPECIAL: table[self.vocab_size :].clone()}
        return split | {name: value.detach().clone() for name, value in parameters.items()}

    def initial_parameters(self) -> dict[str, Tensor]:
        """Return a copy of the initial parameters, under the names that f uses."""
        return {name: value.clone() for name, value in self._initial.items()}

    @property
    def _transformer(self) -> Any:
        """The GPT2Model that the calling thread runs."""
        return self._networks.here

    def to(self, device: torch.device) -> "LanguageModel":
        """Move the network and the initial parameters; return self."""
        self._networks.pattern.to(device)
        self._networks.changed()
        self._initial = {name: value.to(device) for name, value in self._initial.items()}
        return self

    def double(self) -> "LanguageModel":
        """Change to float64, for checks against finite differences; return self."""
        self._networks.pattern.double()
        self._networks.changed()
        self._initial = {name: value.double() for name, value in self._initial.items()}
        return self

    def hidden(self, parameters: Parameters, ids: Tensor, **options: Any) -> Any:
        """Run the network on `ids` (B, T).

        Returns:
            GPT2Model's output; `last_hidden_state` is (B, T, H).
        """
        inner = {name: value for name, value in parameters.items() if name not in _OWN}
        embeddings = self.embed(parameters, ids)
        keywords = {"inputs_embeds": embeddings, "use_cache": False} | options
        return functional_call(self._transformer, inner, (), keywords)

    def embed(self, parameters: Parameters, ids: Tensor) -> Tensor:
        """Return the tied table's rows of `ids`: (..., H)."""
        plain = parameters[ROWS] if ROWS in parameters else self.rows(parameters, ids)
        places, table = (ids - self.vocab_size).clamp(min=0), parameters[SPECIAL]
        if table.ndim == 3:  # one for each sequence: (B, S, H)
            places = places + table.shape[1] * torch.arange(len(ids), device=ids.device)[:, None]
            table = table.flatten(0, 1)
        special = F.embedding(places, table)
        return torch.where((ids >= self.vocab_size).unsqueeze(-1), special, plain)  # (..., H)

    def row_ids(self, ids: Tensor) -> Tensor:
        """Return the row of `wte.weight` for each id; a special token's row is not used."""
        return ids.clamp(max=self.vocab_size - 1)

    def rows(self, parameters: Parameters, ids: Tensor) -> Tensor:
        """Return W[ids], (..., H), of the plain vocabulary. `embed` also accepts them as `ROWS`."""
        return F.embedding(self.row_ids(ids), parameters[WTE])

    def logits(self, parameters: Parameters, hidden: Tensor) -> Tensor:
        """Project (..., H) on the tied table: (..., V + S)."""
        return torch.cat([hidden @ parameters[WTE].T, hidden @ parameters[SPECIAL].T], dim=-1)

    def token_nll(self, parameters: Parameters, batch: Batch) -> Tensor:
        """Return the negative log-likelihood of each predicted token: (R,), nats.

        Adapters and special rows may be stacked, one value for each of the batch's tasks.
        """
        with self._matrix_products(batch):
            return self._token_nll(*self._read(parameters, batch), batch)

    def _matrix_products(self, batch: Batch) -> AbstractContextManager[Any]:
        low = self.precision == "bfloat16"
        return torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=low)

    def _read(self, parameters: Parameters, batch: Batch) -> tuple[Parameters, Tensor]:
        """Return the parameters, with stacked ones per sequence, and the states: (B, T, H)."""
        if parameters[SPECIAL].ndim == 3:
            parameters = self._of_rows(parameters, batch.tasks)
        options: dict[str, Any] = {}
        if batch.branches is not None:
            mask = additive_mask(batch.branches.mask, parameters[WTE].dtype)
            options = {"attention_mask": mask, "position_ids": batch.branches.positions}
        return parameters, self.hidden(parameters, batch.ids, **options).last_hidden_state

    def _token_nll(self, parameters: Parameters, hidden: Tensor, batch: Batch) -> Tensor:
        hidden = hidden[batch.rows, batch.columns]  # (R, H)
        special = parameters[SPECIAL]
        if special.ndim == 3:
            logits = torch.linalg.vecdot(special[batch.rows], hidden[:, None])
        else:
            logits = hidden @ special.T  # (R, S)
        return tied_nll(hidden, parameters[WTE], logits, batch.targets)

    def _of_rows(self, parameters: Parameters, tasks: Tensor) -> dict[str, Tensor]:
        """Turn parameters stacked by task, (N, ...), into one value per sequence, (B, ...)."""
        return {
            name: value[tasks] if value.ndim > self._initial[name].ndim else value
            for name, value in parameters.items()
        }

    def losses(self, parameters: Parameters, batch: Batch) -> Tensor:
        """Return each task's loss, (N,), in nats.

        The loss is the mean NLL of reply and closing tokens. If the variant predicts the next
        utterance and the batch has distractors, the loss is lm_coef times that mean plus coef times
        the mean of the head's loss over replies.
        """
        with self._matrix_products(batch):
            parameters, hidden = self._read(parameters, batch)
            nll = self._token_nll(parameters, hidden, batch)
            modelling = _task_means(nll, batch.tasks[batch.rows], batch.num_tasks)
            if self.objective is None or batch.branches is None:
                return modelling
            choosing = next_utterance.losses(parameters, hidden, batch.branches)
            owners = batch.tasks[batch.branches.rows]
            means = _task_means(choosing, owners, batch.num_tasks)
            return self.objective.lm_coef * modelling + self.objective.coef * means

    @contextmanager
    def attending(self, *, fused: bool) -> Iterator[None]:
        """Use torch's fused operations in this thread during the block, if `fused`.

        Fused attention has no second derivative.
        """
        changes = fused and self.attention == "eager"
        if changes:
            _differentiate(self._transformer, twice=False)
        try:
            yield
        finally:
            if changes:
                _differentiate(self._transformer, twice=True)

    def require_twice_differentiable(self) -> None:
        """Refuse settings whose second derivative is missing or wrong.

        Raises:
            ModelError: the attention is fused, or `transformers`' own gradient checkpointing is on.
                That recomputes with the module's weights instead of f's arguments, silently.
        """
        if any(getattr(m, "gradient_checkpointing", False) for m in self._transformer.modules()):
            raise ModelError(
                "exact meta-gradients are wrong under the network's own gradient checkpointing; "
                "switch it off, and set MAMLVIAPP_RECOMPUTE=1 to save memory exactly"
            )
        if self.attention != "eager":
            raise ModelError(
                f"exact meta-gradients need attention `eager`, found `{self.attention}`: fused "
                "attention has no second derivative; use meta_gradient first_order or reptile"
            )


def _task_means(values: Tensor, tasks: Tensor, num_tasks: int) -> Tensor:
    sums = values.new_zeros(num_tasks).index_add(0, tasks, values)
    return sums / torch.bincount(tasks, minlength=num_tasks)


def _fuse_activation(transformer: Any) -> None:
    """Replace GPT-2's tanh GELU by the same function in one operation instead of eight."""
    if transformer.config.activation_function == "gelu_new":
        for block in transformer.h:
            block.mlp.act = Gelu()


def _differentiate(transformer: Any, *, twice: bool) -> None:
    """Choose hand-made derivatives, which can be differentiated twice, or fused operations."""
    transformer.set_attn_implementation(TWICE if twice else "sdpa")
    set_twice(transformer, twice=twice)

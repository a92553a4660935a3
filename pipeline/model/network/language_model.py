"""f_θ: a causal language model as a function of its parameters, projected only at the replies.

The trunk is `transformers`' own module, called with tensors in place of its own. What differs
between architectures is read from `Architecture`. The embedding is ours and kept in two parts. The
V rows of the plain vocabulary keep the trunk's name for the table. The S rows of the special tokens
are `special.weight`, a small tensor of its own, which every variant trains. In a tied model both
are the projection, too; an untied projection has two such parts of its own (`projection.py`).

Several tasks can share one pass if they differ in Φ and the special rows alone. Their tensors are
then stacked: a parameter with one dimension more than at the start has one value for each task.

B sequences, T tokens, H width, R predicted tokens, N tasks.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.cache_utils import Cache

from pipeline.model.base.architecture import Architecture
from pipeline.model.derivatives.activations import use_activations
from pipeline.model.derivatives.twice_differentiable import differentiate, require_twice
from pipeline.model.network import next_utterance, projection
from pipeline.model.network.halves import Above, Cut, Half
from pipeline.model.network.next_utterance import HEAD
from pipeline.model.network.per_thread import PerThread
from pipeline.model.network.projection import SPECIAL, Projection, initial_parameters
from pipeline.model.sequences.batching import Batch
from pipeline.model.sequences.masks import Seen
from pipeline.params import NextUtterance


Parameters = Mapping[str, Tensor]
Attention = Literal["eager", "sdpa"]
Precision = Literal["float32", "bfloat16"]

ROWS = "table.rows"  # W[ids], (B, T, H), if given apart from the table
OWN = (SPECIAL, *projection.OWN, HEAD, ROWS)  # handled here, not by the trunk


class LanguageModel:
    """A causal LM whose parameters are an argument. Any number of threads may call it at once.

    `precision` is that of the losses' matrix products; it may be set. Parameters, normalisations,
    softmax and `hidden` keep the parameters' own precision.

    Args:
        architecture: the model with Φ inserted; its tables hold V + S rows.
        num_special: S; the special tokens' rows are the last of each table.
        attention: `eager` can be differentiated twice (exact meta-gradients); `sdpa` is faster.
        objective: next-utterance prediction; null: none.
        head: the initial head of next-utterance prediction; null: none.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        num_special: int,
        attention: Attention,
        objective: NextUtterance | None = None,
        head: Tensor | None = None,
    ) -> None:
        trunk = architecture.trunk.eval().requires_grad_(False)  # without dropout
        self.attention = attention
        self.precision: Precision = "float32"
        self.cut: Cut | None = None  # in front of Φ's first block (`frozen_trunk.py`)
        self.objective = objective
        use_activations(trunk)
        differentiate(trunk, twice=attention == "eager")
        heads = {} if head is None else {HEAD: head}
        self._initial = initial_parameters(architecture, num_special) | heads
        self._dimensions = {name: value.ndim for name, value in self._initial.items()}
        self.architecture = architecture.without_weights()
        self.vocab_size = len(self._initial[self.table])  # V
        self._networks = PerThread(trunk)

    @property
    def table(self) -> str:
        """The name of the embedding's plain rows among the parameters."""
        return self.architecture.table

    def take_parameters(self) -> dict[str, Tensor]:
        """Hand over the initial parameters, under the names that f uses; f keeps none of them.

        Raises:
            RuntimeError: they have been taken.
        """
        if not self._initial:
            raise RuntimeError("the initial parameters have been taken")
        taken, self._initial = self._initial, {}
        return taken

    @property
    def _trunk(self) -> Any:
        """The trunk that the calling thread runs."""
        return self._networks.here

    def to(self, target: torch.device | torch.dtype) -> "LanguageModel":
        """Move the network and the initial parameters to a device or a precision; return self."""
        self._networks.to(target)
        self._initial = {name: value.to(target) for name, value in self._initial.items()}
        return self

    def hidden(
        self,
        parameters: Parameters,
        ids: Tensor,
        *,
        seen: Seen | None = None,
        cache: Cache | None = None,
        half: Half | None = None,
    ) -> Tensor:
        """Run the trunk and return its last states, (B, T, H).

        Args:
            parameters: f's.
            ids: (B, T).
            seen: which keys each token sees; null: all tokens up to itself.
            cache: earlier tokens' keys and values; this pass adds its own.
            half: the part of the trunk to compute; null: all of it.
        """
        inner = {name: value for name, value in parameters.items() if name not in OWN}
        embeddings, scale = self.embed(parameters, ids), self.architecture.embedding_scale
        options = {
            "inputs_embeds": embeddings if scale == 1 else embeddings * scale,
            "use_cache": cache is not None,
            "past_key_values": cache,
        }
        if seen is not None:
            options["attention_mask"] = seen.masks(self.architecture, embeddings.dtype)
            options["position_ids"] = seen.queries
        part = nullcontext() if half is None else half.of(self._trunk)
        with self._low(parameters, ids), part:
            states: Tensor = self._networks.call(inner, **options).last_hidden_state
        return states

    def embed(self, parameters: Parameters, ids: Tensor) -> Tensor:
        """Return the embedding's rows of `ids`, not scaled: (..., H)."""
        plain = parameters[ROWS] if ROWS in parameters else self.rows(parameters, ids)
        places, table = (ids - self.vocab_size).clamp(min=0), parameters[SPECIAL]
        if table.ndim == 3:  # one for each sequence: (B, S, H)
            places = places + table.shape[1] * torch.arange(len(ids), device=ids.device)[:, None]
            table = table.flatten(0, 1)
        special = F.embedding(places, table)
        is_special = (ids >= self.vocab_size).unsqueeze(-1)
        return torch.where(is_special, special, plain.to(special.dtype))  # (..., H)

    def row_ids(self, ids: Tensor) -> Tensor:
        """Return the plain table's row for each id; a special token's row is not used."""
        return ids.clamp(max=self.vocab_size - 1)

    def rows(self, parameters: Parameters, ids: Tensor) -> Tensor:
        """Return W[ids], (..., H), of the plain vocabulary. `embed` also accepts them as `ROWS`."""
        return F.embedding(self.row_ids(ids), parameters[self.table])

    def projection(self, parameters: Parameters) -> Projection:
        """Return the head."""
        return Projection.of(self.architecture.head, parameters, self.table)

    def logits(self, parameters: Parameters, hidden: Tensor) -> Tensor:
        """Project (..., H) on the vocabulary: (..., V + S)."""
        return self.projection(parameters).logits(hidden)

    def token_nll(self, parameters: Parameters, batch: Batch) -> Tensor:
        """Return the negative log-likelihood of each predicted token: (R,), nats.

        Adapters and special rows may be stacked, one value for each of the batch's tasks.
        """
        with self.matrix_products(batch.ids):
            return self._token_nll(*self._read(parameters, batch), batch)

    def _low(self, parameters: Parameters, ids: Tensor) -> AbstractContextManager[Any]:
        """Multiply matrices in bfloat16 if φ is kept so; else change nothing."""
        if parameters[self.table].dtype != torch.bfloat16:
            return nullcontext()
        return torch.autocast(ids.device.type, torch.bfloat16)

    def matrix_products(self, ids: Tensor) -> AbstractContextManager[Any]:
        """Multiply matrices in the losses' precision during the block."""
        return torch.autocast(ids.device.type, torch.bfloat16, self.precision == "bfloat16")

    def _read(self, parameters: Parameters, batch: Batch) -> tuple[Parameters, Tensor]:
        """Return the parameters, with stacked ones per sequence, and the states: (B, T, H)."""
        if parameters[SPECIAL].ndim == 3:
            parameters = self._of_rows(parameters, batch.tasks)
        branches = batch.branches
        seen = Seen.each_other(branches.mask, branches.positions) if branches else None
        half = Above(self.cut, batch.entering) if self.cut and batch.entering is not None else None
        return parameters, self.hidden(parameters, batch.ids, seen=seen, half=half)

    def _token_nll(self, parameters: Parameters, hidden: Tensor, batch: Batch) -> Tensor:
        return self.projection(parameters).nll(hidden, batch)

    def _of_rows(self, parameters: Parameters, tasks: Tensor) -> dict[str, Tensor]:
        """Turn parameters stacked by task, (N, ...), into one value per sequence, (B, ...)."""
        return {
            name: value[tasks] if value.ndim > self._dimensions[name] else value
            for name, value in parameters.items()
        }

    def losses(self, parameters: Parameters, batch: Batch) -> Tensor:
        """Return each task's loss, (N,), in nats.

        The loss is the mean NLL of reply and closing tokens. If the variant predicts the next
        utterance and the batch has distractors, the loss is lm_coef times that mean plus coef times
        the mean of the head's loss over replies.
        """
        with self.matrix_products(batch.ids):
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
            differentiate(self._trunk, twice=False)
        try:
            yield
        finally:
            if changes:
                differentiate(self._trunk, twice=True)

    def require_twice_differentiable(self) -> None:
        """Refuse settings whose second derivative is missing or wrong.

        Raises:
            ModelError: see `twice_differentiable.require_twice`.
        """
        require_twice(self._trunk)


def _task_means(values: Tensor, tasks: Tensor, num_tasks: int) -> Tensor:
    sums = values.new_zeros(num_tasks).index_add(0, tasks, values)
    return sums / torch.bincount(tasks, minlength=num_tasks)

"""One pass over a window: its states, keys and values serve all scores of its replies.

A reply's own likelihood, its 20 candidates (`candidates.py`) and its continuations (`responses.py`)
all start from that pass. So persona and history are read once per dialogue. T tokens, H width, N
states, M questions. No gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

from pipeline.model.inference import normaliser
from pipeline.model.network.language_model import LanguageModel, Parameters
from pipeline.model.sequences.encoding import ReplySpan, Window


class _SharedLayer(DynamicLayer):
    """One layer's keys and values of the window, shared by all rows of the next pass.

    `update` joins them with the new ones and keeps neither. A `DynamicLayer` would keep the joined
    tensors: B rows of T + Q keys, for every layer at once.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Return keys and values, each (B, heads, T + Q, head width)."""
        rows = len(key_states)
        keys = torch.cat([self.keys.expand(rows, -1, -1, -1), key_states], dim=-2)
        values = torch.cat([self.values.expand(rows, -1, -1, -1), value_states], dim=-2)
        return keys, values


@dataclass(frozen=True)
class Reading:
    """A window after one pass of f_θ: its states, keys and values."""

    model: LanguageModel
    parameters: Parameters
    window: Window
    hidden: Tensor  # (T, H)
    layers: list[tuple[Tensor, Tensor]]  # keys and values, each (1, heads, T, head width)

    def nll(self, hidden: Tensor, rows: Tensor, targets: Tensor) -> Tensor:
        """Return -log p(target) in nats, (M,); `rows` (M,) are the states in `hidden` (N, H)."""
        return normaliser.nll(self.model.projection(self.parameters), hidden, rows, targets)

    def shared(self) -> Cache:
        """Return the keys and values for a single pass: the pass's own keys are not kept."""
        return Cache(layers=[_SharedLayer(*layer) for layer in self.layers])

    def cache(self, rows: int) -> DynamicCache:
        """Return the keys and values for `rows` growing continuations; nothing is copied yet."""
        expanded = [
            (keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1))
            for keys, values in self.layers
        ]
        return DynamicCache(expanded)


def read(model: LanguageModel, parameters: Parameters, window: Window) -> Reading:
    """Run f_θ over a window once."""
    device = next(iter(parameters.values())).device
    ids = torch.tensor([window.ids], device=device)
    cache = DynamicCache()  # without the configuration, which would drop keys beyond a window
    hidden = model.hidden(parameters, ids, cache=cache)
    layers = [(layer.keys, layer.values) for layer in cache.layers]
    return Reading(model, parameters, window, hidden[0], layers)


def reply_nll(reading: Reading, spans: Sequence[ReplySpan]) -> list[list[float]]:
    """Return the NLL of each reply's tokens in nats; the closing token's is the last."""
    ids, device = reading.window.ids, reading.hidden.device
    places = [p for span in spans for p in range(span.start, span.end)]
    before = torch.tensor(places, device=device) - 1
    targets = torch.tensor([ids[p] for p in places], device=device)
    sizes = [span.end - span.start for span in spans]
    values = iter(reading.nll(reading.hidden, before, targets).tolist())
    return [[next(values) for _ in range(size)] for size in sizes]

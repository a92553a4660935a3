"""One pass over a window serves everything that is asked about its replies.

The pass leaves hidden states and every layer's keys and values. A reply's own likelihood, its 20
candidates (`ranking`) and its continuations (`decoding`) all start from them, so the persona and
the history are read once per dialogue. T tokens, H width, N scored tokens. No gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache

from pipeline.model.encoding import ReplySpan, Window
from pipeline.model.language_model import LanguageModel, Parameters


_CHUNK = 1024  # tokens projected on the vocabulary at a time: bounds memory at V = 50,257


@dataclass(frozen=True)
class Reading:
    """A window as f_θ has read it."""

    model: LanguageModel
    parameters: Parameters
    window: Window
    hidden: Tensor  # (T, H)
    layers: list[tuple[Tensor, Tensor]]  # keys and values, each (1, heads, T, head width)

    def nll(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Return -log p(target) of each position: (N, H), (N,) -> (N,), nats."""
        parts = [
            F.cross_entropy(self.model.logits(self.parameters, h), t, reduction="none")
            for h, t in zip(hidden.split(_CHUNK), targets.split(_CHUNK), strict=True)
        ]
        return torch.cat(parts)

    def cache(self, rows: int) -> DynamicCache:
        """Return the keys and values for a batch of `rows` continuations; nothing is copied yet."""
        expanded = [
            (keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1))
            for keys, values in self.layers
        ]
        return DynamicCache(expanded)


def read(model: LanguageModel, parameters: Parameters, window: Window) -> Reading:
    """Run f_θ over a window once."""
    device = next(iter(parameters.values())).device
    ids = torch.tensor([window.ids], device=device)
    output = model.hidden(parameters, ids, use_cache=True)
    layers = [(layer.keys, layer.values) for layer in output.past_key_values.layers]
    return Reading(model, parameters, window, output.last_hidden_state[0], layers)


def reply_nll(reading: Reading, spans: Sequence[ReplySpan]) -> list[list[float]]:
    """Return each reply's token NLLs in nats, the closing token's last."""
    ids, device = reading.window.ids, reading.hidden.device
    places = [p for span in spans for p in range(span.start, span.end)]
    before = torch.tensor(places, device=device) - 1
    targets = torch.tensor([ids[p] for p in places], device=device)
    flat = reading.nll(reading.hidden[before], targets).tolist()
    sizes = [span.end - span.start for span in spans]
    values = iter(flat)
    return [[next(values) for _ in range(size)] for size in sizes]

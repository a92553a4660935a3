"""What a user would write with `transformers` and nothing else.

One example per reply with its whole history, padded to one batch; `labels` that hide all but the
reply; logits of every position; the inner step by `autograd.grad(create_graph=True)`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.func import functional_call
from transformers import GPT2LMHeadModel

from benchmarks.dialogues import Size, replies_of
from pipeline.learning.task_loss.episodes import Episode
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Piece


IGNORED = -100  # the label that `transformers` leaves out of the loss


class ObviousLoop:
    """A GPT2LMHeadModel with the same weights as `learner`."""

    def __init__(self, size: Size, learner: Learner) -> None:
        config = size.config()
        config._attn_implementation = "eager"
        self.model = GPT2LMHeadModel(config).eval()
        same = {f"transformer.{name}": value for name, value in learner.theta.items()}
        table = torch.cat(
            [same.pop("transformer.wte.weight"), same.pop("transformer.special.weight")]
        )
        same["transformer.wte.weight"] = same["lm_head.weight"] = table
        self.model.load_state_dict({name: value.detach() for name, value in same.items()})
        self.model.to(table.dtype)

    def loss(self, parameters: Mapping[str, Tensor], pieces: list[Piece]) -> Tensor:
        """Return the mean over all reply tokens, as `labels=` gives it."""
        ids, labels = padded(pieces)
        output = functional_call(
            self.model,
            dict(parameters),
            (),
            {"input_ids": ids, "labels": labels, "use_cache": False},
        )
        loss: Tensor = output.loss
        return loss

    def meta_step(self, episodes: list[Episode], lr: float) -> None:
        """Leave the exact meta-gradient of one inner SGD step in the parameters' `.grad`."""
        parameters = dict(self.model.named_parameters())
        self.model.zero_grad()
        for episode in episodes:
            loss = self.loss(parameters, episode.support)
            gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
            adapted = {
                name: value - lr * gradient
                for (name, value), gradient in zip(parameters.items(), gradients, strict=True)
            }
            outer = self.loss(adapted, episode.query) / len(episodes)
            torch.autograd.backward(outer)

    def table_gradient(self) -> Tensor:
        """Return the gradient of the tied table, (V + S, width)."""
        gradient: Tensor | None = self.model.transformer.wte.weight.grad
        assert gradient is not None
        return gradient


def padded(pieces: list[Piece]) -> tuple[Tensor, Tensor]:
    """Return ids and labels of one example per reply, (B, T) each."""
    examples = replies_of(pieces)
    length = max(len(ids) for ids, _ in examples)
    ids = [[*row, *[0] * (length - len(row))] for row, _ in examples]
    labels = [
        [*[IGNORED] * start, *row[start:], *[IGNORED] * (length - len(row))]
        for row, start in examples
    ]
    return torch.tensor(ids), torch.tensor(labels)

"""What a step costs: tokens and operations of the matrix products, counted, not timed."""

from dataclasses import dataclass

from pipeline.model.batching import Batch
from pipeline.model.language_model import SPECIAL, WTE
from pipeline.model.learner import Learner


@dataclass(frozen=True)
class Cost:
    """Tokens through the network (forward) and operations (a multiply-add is two)."""

    tokens: int
    operations: int

    @classmethod
    def zero(cls) -> "Cost":
        """Return no cost."""
        return cls(0, 0)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.tokens + other.tokens, self.operations + other.operations)

    @classmethod
    def plain(cls, learner: Learner, batch: Batch) -> "Cost":
        """Cost of one loss and its gradient."""
        return cls(batch.num_tokens, _forward(learner, batch) * (1 + _backward(learner)))

    @classmethod
    def meta(cls, learner: Learner, support: Batch, query: Batch, steps: int, kind: str) -> "Cost":
        """Cost of one task's inner steps and outer gradient.

        With F a forward pass: a gradient is 3F and the exact gradient's Hessian-vector product
        per inner step 6F; where φ is fixed its weights need no gradients, and both are 2F.
        """
        b = _backward(learner)
        per_step = 1 + b + (b * (b + 1) if kind == "exact" else 0)
        operations = _forward(learner, support) * per_step * steps
        operations += _forward(learner, query) * (1 + b)
        return cls(support.num_tokens * steps + query.num_tokens, operations)


def _backward(learner: Learner) -> int:
    """A backward pass in forward passes: 2, or 1 where the base is fixed."""
    return 1 if WTE in learner.fixed else 2


def _forward(learner: Learner, batch: Batch) -> int:
    parameters = {**learner.fixed, **learner.theta}
    matrices = sum(
        value.numel()
        for name, value in parameters.items()
        if value.ndim == 2 and name not in (WTE, SPECIAL, "wpe.weight")
    )
    table = parameters[WTE].numel() + parameters[SPECIAL].numel()
    width, layers = learner.model.config.n_embd, learner.model.config.n_layer
    attention = 2 * layers * width * batch.ids.shape[1]  # scores and weighted sum, per token
    tokens, replies = batch.num_tokens, len(batch.targets)
    return 2 * (tokens * (matrices + attention) + replies * table)

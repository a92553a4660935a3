"""What a training run learns: θ, and beside it the rates of the inner loop where it learns them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from pipeline.learning.task_loss.theta import Theta
from pipeline.model.checkpoint.checkpoint import add_prefix, strip_prefix


_THETA, _LOG_RATES = "theta.", "log_rates."


@dataclass(frozen=True)
class Learned:
    """Two sets of tensors; each set has its own names."""

    theta: Theta
    log_rates: Theta = field(default_factory=dict)  # log α by tensor, or empty

    def tensors(self) -> list[Tensor]:
        """Return all tensors, θ's first."""
        return [*self.theta.values(), *self.log_rates.values()]

    def apply(self, function: Callable[[Tensor], Tensor]) -> "Learned":
        """Return the function of every tensor, under the same names."""
        return Learned(
            {name: function(value) for name, value in self.theta.items()},
            {name: function(value) for name, value in self.log_rates.items()},
        )

    def flat(self) -> dict[str, Tensor]:
        """Return all tensors in one dictionary, θ's first, for a file or a common norm."""
        return add_prefix(self.theta, _THETA) | add_prefix(self.log_rates, _LOG_RATES)

    @classmethod
    def from_flat(cls, tensors: Mapping[str, Tensor]) -> "Learned":
        """Return what `flat` has made one dictionary of."""
        return cls(strip_prefix(tensors, _THETA), strip_prefix(tensors, _LOG_RATES))

"""How every table and figure shows a metric: its name, unit, arrow and digits. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricFormat:
    """How a metric is shown, on the terminal, in the report and in figures alike."""

    name: str
    unit: Literal["%", "nats"] | None  # None: the name says it
    better: Literal["lower", "higher"] | None  # None: neither
    digits: int  # decimals, of levels and of differences

    @property
    def heading(self) -> str:
        """The head of a column of levels."""
        unit = " %" if self.unit == "%" else ""
        arrow = {"lower": " ↓", "higher": " ↑", None: ""}[self.better]
        return f"{self.name}{unit}{arrow}"

    @property
    def difference(self) -> str:
        """The name of a difference, with its unit: percentages differ by points."""
        unit = "points" if self.unit == "%" else self.unit
        return self.name if unit is None else f"{self.name}, {unit}"


FORMATS: Mapping[str, MetricFormat] = {
    "ppl": MetricFormat("perplexity", None, "lower", 2),
    "ppl_without_end": MetricFormat("perplexity without closing token", None, "lower", 2),
    "ppl_per_word": MetricFormat("perplexity per word", None, "lower", 1),
    "bits_per_byte": MetricFormat("bits per byte", None, "lower", 3),
    "hits_at_1": MetricFormat("Hits@1", "%", "higher", 1),
    "hits_at_1_by_head": MetricFormat("Hits@1 by head", "%", "higher", 1),
    "f1": MetricFormat("F1", "%", "higher", 1),
    "nats_per_token": MetricFormat("nats per token", None, "lower", 3),
    "gain": MetricFormat("gain", "nats", "higher", 3),
    "swap_gain": MetricFormat("swap gain", "nats", None, 3),
    "swap_gap": MetricFormat("swap gap", "nats", "higher", 3),
}

TABLE_1 = ("ppl", "hits_at_1", "f1")  # its columns, in the paper's order
HEAD_HITS = "hits_at_1_by_head"
OTHER_DIGITS = 1  # of a metric that is not in FORMATS
NATS_DIGITS = FORMATS["gain"].digits


def digits_of(metric: str) -> int:
    """Return how many decimals a metric is shown with."""
    return FORMATS[metric].digits if metric in FORMATS else OTHER_DIGITS

"""How much memory a step needs: a formula of θ and the batch (docs/scale.md has how near it is).

n tokens and R predicted tokens of a pass, L blocks of width H with h heads, V entries, 4 bytes:

    exact        2.3 θ + 4 (42 L n H + 1.6 L h n² + 1.6 R V)
    first order  1.6 θ + 4 (14 L n H + 0.1 L h n² + 1.2 R V)

θ counts θ̂ and the gradient or cotangent that are held at once; the rest are activations. Where
tasks share a pass, θ is stacked. A further inner step whose graph is kept adds θ and activations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Piece


_LOOP = 4  # θ that is trained, the best so far, Adam's two moments


@dataclass(frozen=True)
class Pass:
    """What a step reads at once: `sequences` padded to `length` tokens, R predicted tokens."""

    sequences: int
    length: int
    predicted: int

    @classmethod
    def of(cls, pieces: Sequence[Piece], tasks: int = 1) -> "Pass":
        """Return the size of a pass over such pieces of `tasks` tasks."""
        predicted = sum(span.end - span.start for piece in pieces for span in piece.spans)
        longest = max(len(piece.sequence) for piece in pieces)
        return cls(tasks * len(pieces), longest, tasks * predicted)


def theta_bytes(learner: Learner) -> int:
    """Return the size of θ."""
    return sum(value.nbytes for value in learner.theta.values())


def pass_bytes(learner: Learner, size: Pass, *, exact: bool) -> int:
    """Return what the activations of a pass need that is differentiated once, or twice."""
    states, pairs, logits = (42, 1.6, 1.6) if exact else (14, 0.1, 1.2)
    architecture = learner.model.architecture
    tokens = size.sequences * size.length
    per_layer = states * tokens * architecture.width
    per_layer += pairs * architecture.config.num_attention_heads * tokens * size.length
    vocabulary = learner.model.vocab_size
    return int(4 * (architecture.layers * per_layer + logits * size.predicted * vocabulary))


def step_bytes(
    learner: Learner, size: Pass, *, exact: bool, tasks: int = 1, kept_steps: int = 1
) -> int:
    """Return what one group of tasks needs from its first inner step to its gradient.

    Args:
        learner: f.
        size: of its largest pass.
        exact: second order.
        tasks: in a pass.
        kept_steps: inner steps whose graphs are held at once.
    """
    theta = tasks * theta_bytes(learner)
    activations = pass_bytes(learner, size, exact=exact)
    further = (kept_steps - 1) * (theta + activations) if exact else 0
    return int((2.3 if exact else 1.6) * theta) + activations + further


def training_bytes(learner: Learner, step: int, *, groups_at_once: int = 1, sums: bool) -> int:
    """Return what training needs beyond the learner: the loop's own and its groups of tasks.

    Args:
        learner: f.
        step: of `step_bytes`.
        groups_at_once: on threads.
        sums: a gradient is added up beside those that are being made.
    """
    return (_LOOP + sums) * theta_bytes(learner) + groups_at_once * step

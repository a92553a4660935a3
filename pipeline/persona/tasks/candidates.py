"""The 19 + 1 candidates of Hits@1 (Section 4.1): drawn where the corpus has none, then placed.

Each reply has a generator of its own, so its candidates depend on nothing but the seed, the reply
and the pool.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from random import Random

from pipeline.errors import DataError
from pipeline.persona.tasks.parser import NUM_CANDIDATES
from pipeline.persona.text import normalise


@dataclass(frozen=True)
class PooledReply:
    """A reply of the split that may serve as a distractor."""

    text: str
    normalised: str


def pool(replies: Sequence[str]) -> list[PooledReply]:
    """Return the replies that can be distractors: those not empty after normalisation."""
    pooled = [PooledReply(text, normalise(text)) for text in replies]
    return [reply for reply in pooled if reply.normalised]


def draw(
    reply: str, pooled: Sequence[PooledReply], own: Set[str], *, random: Random, origin: str
) -> list[str]:
    """Draw 19 distractors for `reply`; gold last, as in the corpus's own candidate lists.

    They are distinct after normalisation, never the gold and never what the same persona says
    anywhere (`own`, normalised), whoever else may have said it, too. `origin` names the reply in
    errors.

    Raises:
        DataError: the split has too few replies of other personas.
    """
    seen = {normalise(reply), *own}
    found: list[str] = []
    for candidate in _shuffled(pooled, random):
        if candidate.normalised in seen:
            continue
        seen.add(candidate.normalised)
        found.append(candidate.text)
        if len(found) == NUM_CANDIDATES - 1:
            return [*found, reply]
    raise DataError(
        f"{origin}: {NUM_CANDIDATES - 1} distractors are needed, the split's other personas have "
        f"only {len(found)} distinct replies; give it more dialogues or candidates of its own"
    )


def _shuffled(pooled: Sequence[PooledReply], random: Random) -> Iterator[PooledReply]:
    """Yield every reply once in random order at the cost of what is taken (Fisher-Yates)."""
    moved: dict[int, int] = {}
    for last in range(len(pooled) - 1, -1, -1):
        chosen = random.randint(0, last)
        yield pooled[moved.get(chosen, chosen)]
        moved[chosen] = moved.get(last, last)


def place(size: int, random: Random) -> list[int]:
    """Return the order in which candidates are shown: the gold one must not stand out."""
    order = list(range(size))
    random.shuffle(order)
    return order

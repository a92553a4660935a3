"""The 19 + 1 candidates of Hits@1 (Section 4.1): drawn if the corpus has none, then shuffled.

Each reply has a random generator of its own. So its candidates depend only on the seed, the reply
and the pool.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from random import Random

from pipeline.errors import DataError
from pipeline.persona.conversation.record import NUM_CANDIDATES
from pipeline.persona.task.text import normalise


LARGEST_POOL = 100_000  # replies of a split that distractors are drawn from; of more, a sample


@dataclass(frozen=True)
class PooledReply:
    """A reply of the split that may serve as a distractor."""

    text: str
    normalised: str


def pool(replies: Sequence[str]) -> list[PooledReply]:
    """Return the replies that can be distractors: all that normalisation does not leave empty."""
    pooled = [PooledReply(text, normalise(text)) for text in replies]
    return [reply for reply in pooled if reply.normalised]


def sampled(replies: Iterable[str], most: int, random: Random) -> list[str]:
    """Return all replies in order, or a random sample of `most`, with only these in memory."""
    kept: list[str] = []
    for number, reply in enumerate(replies):
        if number < most:
            kept.append(reply)
        elif (place := random.randrange(number + 1)) < most:
            kept[place] = reply
    return kept


def draw(
    reply: str, pooled: Sequence[PooledReply], own: Set[str], *, random: Random, origin: str
) -> list[str]:
    """Draw 19 distractors for `reply`; return them, then `reply`, as the corpus's own lists do.

    The distractors are distinct after normalisation. None equals the gold reply or any reply of the
    same persona, even if another persona says it too.

    Args:
        reply: the gold reply.
        pooled: the split's replies.
        own: all replies of the persona, normalised.
        random: the reply's own generator.
        origin: names the reply in errors.

    Raises:
        DataError: the split has too few replies of other personas.
    """
    seen = {normalise(reply)}
    distractors: list[str] = []
    for candidate in _shuffled(pooled, random):
        if candidate.normalised in seen or candidate.normalised in own:
            continue
        seen.add(candidate.normalised)
        distractors.append(candidate.text)
        if len(distractors) == NUM_CANDIDATES - 1:
            return [*distractors, reply]
    raise DataError(
        f"{origin}: {NUM_CANDIDATES - 1} distractors are needed, the split's other personas have "
        f"only {len(distractors)} distinct replies; give it more dialogues or candidates of its own"
    )


def _shuffled(pooled: Sequence[PooledReply], random: Random) -> Iterator[PooledReply]:
    """Yield every reply once in random order (Fisher-Yates), at a cost only for those taken."""
    moved: dict[int, int] = {}  # place -> index of the reply that was moved there
    for last in range(len(pooled) - 1, -1, -1):
        chosen = random.randrange(last + 1)
        yield pooled[moved.get(chosen, chosen)]
        moved[chosen] = moved.get(last, last)


def shuffled_order(size: int, random: Random) -> list[int]:
    """Return a random order of `size` candidates, so that the gold one's place tells nothing."""
    order = list(range(size))
    random.shuffle(order)
    return order

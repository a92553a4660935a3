"""The 19 + 1 candidates of Hits@1 (Section 4.1): drawn if the corpus has none, then shuffled.

Each reply has a random generator of its own. So its candidates depend only on the seed, the reply
and the pool.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from random import Random

from pipeline.errors import DataError
from pipeline.persona.task.record import NUM_CANDIDATES
from pipeline.persona.task.text import normalise


LARGEST_POOL = 100_000  # replies of a split that distractors are drawn from; of more, a sample
MOST_TRIES = 200  # replies that are drawn for one set; then texts are, each as likely as any other


@dataclass(frozen=True)
class PooledReply:
    """A reply of the split that may serve as a distractor."""

    text: str
    normalised: str


class Pool:
    """The replies that can be distractors: all that normalisation does not leave empty.

    Attributes:
        replies: them, in order.
        distinct: the first of each normalised text.
    """

    def __init__(self, replies: Iterable[str]) -> None:
        pooled = (PooledReply(text, normalise(text)) for text in replies)
        self.replies = [reply for reply in pooled if reply.normalised]
        self.distinct: dict[str, PooledReply] = {}
        for reply in self.replies:
            self.distinct.setdefault(reply.normalised, reply)


class Others:
    """What one persona's distractors are drawn from: the pool, and the texts that are its own.

    Attributes:
        pool: the split's replies.
        own: all replies of the persona, normalised.
        count: distinct texts of the pool that are not its own.
    """

    def __init__(self, pool: Pool, own: Set[str]) -> None:
        self.pool = pool
        self.own = own
        self.count = len(pool.distinct) - sum(text in pool.distinct for text in own)

    @cached_property
    def distinct(self) -> list[PooledReply]:
        """The first reply of each text that is not the persona's own."""
        return [reply for text, reply in self.pool.distinct.items() if text not in self.own]


def sampled(replies: Iterable[str], most: int, random: Random) -> list[str]:
    """Return all replies in order, or a random sample of `most`, with only these in memory."""
    kept: list[str] = []
    for number, reply in enumerate(replies):
        if number < most:
            kept.append(reply)
        elif (place := random.randrange(number + 1)) < most:
            kept[place] = reply
    return kept


def draw(reply: str, others: Others, *, random: Random, origin: str) -> list[str]:
    """Draw 19 distractors for `reply`; return them, then `reply`, as the corpus's own lists do.

    The distractors are distinct after normalisation. None equals the gold reply or any reply of the
    same persona, even if another persona says it too. Where few of the pool's replies differ, the
    cost stays bounded: too few are refused at once, and after MOST_TRIES the rest is drawn from
    the distinct texts.

    Args:
        reply: the gold reply.
        others: what is drawn from.
        random: the reply's own generator.
        origin: names the reply in errors.

    Raises:
        DataError: the split has too few replies of other personas.
    """
    gold, own = normalise(reply), others.own
    count = others.count - (gold in others.pool.distinct and gold not in own)
    if count < NUM_CANDIDATES - 1:
        raise DataError(
            f"{origin}: {NUM_CANDIDATES - 1} distractors are needed, the split's other personas "
            f"have only {count} distinct replies; give it more dialogues or candidates of its own"
        )
    seen = {gold}
    distractors: list[str] = []
    for candidate in _tried(others, random):
        if candidate.normalised in seen or candidate.normalised in own:
            continue
        seen.add(candidate.normalised)
        distractors.append(candidate.text)
        if len(distractors) == NUM_CANDIDATES - 1:
            break
    return [*distractors, reply]


def _tried(others: Others, random: Random) -> Iterator[PooledReply]:
    """Yield random replies of the pool, MOST_TRIES at most, then random ones that differ."""
    yield from islice(_shuffled(others.pool.replies, random), MOST_TRIES)
    yield from _shuffled(others.distinct, random)


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

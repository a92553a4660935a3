"""Who is in which split: as the corpus says, else people drawn by seed; no conversation in two.

A conversation between people of two splits would be read in training and scored in test. So it
belongs to one split, test before valid before train. Views by people of the others are left out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from pipeline.errors import DataError, one_line
from pipeline.params import SplitShares
from pipeline.persona.corpus.census import Census
from pipeline.persona.corpus.copies import had_once
from pipeline.persona.task.record import SPLITS, Split


HELD_OUT: tuple[Split, ...] = ("test", "valid")  # in the order in which people are drawn
LEAST = 2  # people of a split that is held out: distractors and swaps come from another person
# Of all conversations: who takes part in most of them stays in train, or it would have none left.
MOST_OF_ONE = 0.5
MOST_HELD_OUT = 0.8

HAD = "conversations of which a person has most already"
ELSEWHERE = "views of conversations that are held out for another person"


@dataclass(frozen=True)
class Placement:
    """Where each conversation goes.

    Attributes:
        people: names.
        person: of each conversation, a place in `people`.
        split: of each conversation; null: left out.
        left_out: how many, by reason.
        drawn: the splits whose people were drawn.
        shared: pairs of splits of the corpus's own with the same conversation in both, counted.
    """

    people: Sequence[str]
    person: Sequence[int]
    split: Sequence[Split | None]
    left_out: Counter[str]
    drawn: Sequence[Split]
    shared: Counter[tuple[Split, Split]]


def placed(census: Census, shares: SplitShares) -> Placement:
    """Return where each conversation goes.

    If the corpus has no valid or no test people, some of its other people are drawn: those whose
    names have the lowest digests of seed and name, so that a person who is added moves few others.

    Raises:
        DataError: a person is in two splits; or too few people have two conversations or more.
    """
    people, person = census.people()
    given = _given(census, people, person)
    left_out: Counter[str] = Counter()
    once = had_once(census, person)
    left_out[HAD] = len(census) - len(once)
    drawn: list[Split] = [s for s in HELD_OUT if s not in set(given.values())]
    keys = census.keys()
    draw = _Draw(keys, person, once, shares, left_out[HAD])
    chosen = draw.people(
        drawn, {p for p in set(person) if given.get(p, "train") == "train"}, people
    )
    split: list[Split | None] = [None] * len(census)
    for index in once:
        own = chosen.get(person[index]) or given.get(person[index], "train")
        if draw.taken.get(keys[index], own) == own:
            split[index] = own
        else:
            left_out[ELSEWHERE] += 1
    _check(person, split, people)
    return Placement(people, person, split, +left_out, drawn, _shared(keys, split))


def _given(census: Census, people: Sequence[str], person: Sequence[int]) -> dict[int, Split]:
    """Return the split of each person whose conversations name one."""
    given: dict[int, Split] = {}
    for who, number in zip(person, census.splits, strict=True):
        split = SPLITS[number - 1] if number else None
        if split is not None and given.setdefault(who, split) != split:
            raise DataError(
                f"{one_line(people[who])}: in {given[who]} and in {split}; a person is in one "
                'split: mend "split", or leave it out everywhere and people are drawn'
            )
    return given


class _Draw:
    """Draws people for the splits that are held out.

    Attributes:
        taken: the split of each conversation that is held out for somebody, by its key.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        person: Sequence[int],
        once: Iterable[int],
        shares: SplitShares,
        twice: int,
    ) -> None:
        self.taken: dict[bytes, Split] = {}
        self._shares = shares
        self._twice = twice  # conversations that were left out; for messages
        self._all = len(set(keys))
        self._of: dict[int, list[bytes]] = defaultdict(list)
        for index in once:
            self._of[person[index]].append(keys[index])

    def people(
        self, splits: Sequence[Split], pool: set[int], names: Sequence[str]
    ) -> dict[int, Split]:
        """Return the people that are drawn for `splits`, in that order, out of `pool`.

        Raises:
            DataError: there are too few.
        """
        chosen: dict[int, Split] = {}
        able = [who for who in pool if len(self._of[who]) >= 2]
        ranked = sorted(able, key=lambda who: _rank(names[who], self._shares.seed))
        for split in splits:
            wanted = max(LEAST, round(getattr(self._shares, split) * len(able)))
            for who in ranked:
                if wanted and who not in chosen and self._take(who, split):
                    chosen[who] = split
                    wanted -= 1
            if sum(one == split for one in chosen.values()) < LEAST:
                raise DataError(_too_few(split, len(able), len(pool), self._twice))
        if splits and not any(self._left(who) for who in pool - chosen.keys()):
            raise DataError(_too_few("train", len(able), len(pool), self._twice))
        return chosen

    def _take(self, who: int, split: Split) -> bool:
        """Hold out a person's conversations, if two are left and they are not too many."""
        left = self._left(who)
        if len(left) < 2 or len(set(self._of[who])) > MOST_OF_ONE * self._all:
            return False
        if len(self.taken) + len(left) > MOST_HELD_OUT * self._all:
            return False
        self.taken |= dict.fromkeys(left, split)
        return True

    def _left(self, who: int) -> set[bytes]:
        return {key for key in self._of[who] if key not in self.taken}


def _rank(name: str, seed: int) -> bytes:
    return blake2b(f"{seed}/split/{name}".encode(), digest_size=16).digest()


def _too_few(split: Split, able: int, people: int, twice: int) -> str:
    left_out = f" ({twice} {HAD} are left out)" if twice else ""
    return (
        f"too few people for {split}: {able} of {people} have two conversations or more"
        f"{left_out}, and of "
        f"those {LEAST} are needed in valid, {LEAST} in test and one in train, with conversations "
        f"that are not the others', too (nobody is held out who is in over {MOST_OF_ONE:.0%} of "
        'them); give more people, or say who is one person ("person") and in which "split"'
    )


def _check(person: Sequence[int], split: Sequence[Split | None], people: Sequence[str]) -> None:
    """Refuse a person in two splits; by construction there is none."""
    known: dict[int, Split] = {}
    for who, where in zip(person, split, strict=True):
        if where is not None and known.setdefault(who, where) != where:
            raise DataError(f"{one_line(people[who])}: in {known[who]} and in {where}; report this")


def _shared(keys: Sequence[bytes], split: Sequence[Split | None]) -> Counter[tuple[Split, Split]]:
    """Count the conversations that are in two splits: only a corpus's own splits have some."""
    where: dict[bytes, set[Split]] = defaultdict(set)
    for key, one in zip(keys, split, strict=True):
        if one is not None:
            where[key].add(one)
    pairs: Counter[tuple[Split, Split]] = Counter()
    for splits in where.values():
        present = [one for one in SPLITS if one in splits]
        pairs.update((a, b) for n, a in enumerate(present) for b in present[n + 1 :])
    return pairs

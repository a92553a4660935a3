"""From parsed dialogues to PersonaTask records: grouping, candidates, identifiers (Section 4)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from random import Random

from pipeline.errors import DataError
from pipeline.params import Tasks
from pipeline.persona.task.record import Dialogue, PersonaTask, Split, Turn
from pipeline.persona.task.text import normalise
from pipeline.persona.tasks.candidates import (
    LARGEST_POOL,
    Others,
    Pool,
    draw,
    sampled,
    shuffled_order,
)
from pipeline.persona.tasks.grouping import group
from pipeline.persona.tasks.parser import Exchange, ParsedDialogue


def build_tasks(
    dialogues: Sequence[ParsedDialogue], split: Split, params: Tasks
) -> list[PersonaTask]:
    """Return one task for each persona, in the order of their first dialogues.

    `dialogue_id` counts dialogues and `task_id` personas, both in file order from 0, before
    `max_personas` is applied. Every reply gets 20 candidates, the corpus's own if it has them. A
    small train split may lack candidates; only next-utterance prediction learns from them.

    Raises:
        DataError: valid or test has too few replies to draw distractors from.
    """
    groups = group([dialogue.persona for dialogue in dialogues])
    return list(iterate_tasks(dialogues, groups, split, params))


def iterate_tasks(
    dialogues: Sequence[ParsedDialogue],
    groups: Sequence[Sequence[int]],
    split: Split,
    params: Tasks,
) -> Iterator[PersonaTask]:
    """Yield the tasks of `build_tasks`, one at a time.

    Args:
        dialogues: of the split; one persona's are in memory at a time.
        groups: the personas, as `group` returns them.
        split: its name.
        params: the seed, and the numbers of personas and of their dialogues to keep.

    Raises:
        DataError: as `build_tasks`.
    """
    limit = getattr(params.max_personas, split)
    most = None if split == "train" else params.max_dialogues
    ranked = _Candidates(dialogues, groups, params.seed, needed=split != "train")
    for persona in _kept(len(groups), limit, f"{params.seed}/personas/{split}"):
        members, task_id = groups[persona], f"{split}-persona-{persona:04d}"
        places = _kept(len(members), most, f"{params.seed}/dialogues/{task_id}")
        parsed = {members[place]: dialogues[members[place]] for place in places}
        own = _Replies(dialogues, members, parsed, ranked)
        yield PersonaTask(
            task_id=task_id,
            split=split,
            dialogues=[
                _dialogue(dialogue, f"{split}-{i:05d}", own, ranked)
                for i, dialogue in parsed.items()
            ],
        )


def _kept(number: int, limit: int | None, seed: str) -> Sequence[int]:
    """Return which of so many to keep: all, or a seeded sample of `limit`, in file order."""
    if limit is None or limit >= number:
        return range(number)
    return sorted(Random(seed).sample(range(number), limit))


class _Replies:
    """What a persona says in all dialogues: read once it is asked for, to draw candidates."""

    def __init__(
        self,
        dialogues: Sequence[ParsedDialogue],
        members: Sequence[int],
        parsed: Mapping[int, ParsedDialogue],
        ranked: "_Candidates",
    ) -> None:
        self._dialogues = dialogues
        self._members = members
        self._parsed = parsed  # those of `members` that are in memory
        self._ranked = ranked

    @cached_property
    def others(self) -> Others:
        """What its distractors are drawn from: what it does not say itself."""
        all_of_them = (self._parsed.get(i) or self._dialogues[i] for i in self._members)
        said = {normalise(e.reply) for dialogue in all_of_them for e in dialogue.exchanges}
        return Others(self._ranked.pool, said)


def _dialogue(
    parsed: ParsedDialogue, dialogue_id: str, own: _Replies, ranked: "_Candidates"
) -> Dialogue:
    turns = []
    for number, exchange in enumerate(parsed.exchanges):
        candidates, gold = ranked.of(exchange, own, f"{dialogue_id}/{number}")
        turns.append(
            Turn(partner=exchange.partner, reply=exchange.reply, candidates=candidates, gold=gold)
        )
    return Dialogue(dialogue_id=dialogue_id, persona=parsed.persona, turns=turns)


class _Candidates:
    """Draws and shuffles the candidates of one split's replies."""

    def __init__(
        self,
        dialogues: Sequence[ParsedDialogue],
        groups: Sequence[Sequence[int]],
        seed: int,
        *,
        needed: bool,
    ) -> None:
        self._dialogues = dialogues
        self._groups = groups
        self._seed = seed
        self._needed = needed

    @cached_property
    def pool(self) -> Pool:
        """The split's replies, a seeded sample of many: only where candidates are drawn."""
        said = (
            exchange.reply
            for members in self._groups
            for i in members
            for exchange in self._dialogues[i].exchanges
        )
        return Pool(sampled(said, LARGEST_POOL, Random(f"{self._seed}/pool")))

    def of(
        self, exchange: Exchange, own: _Replies, key: str
    ) -> tuple[list[str], int] | tuple[None, None]:
        """Return a turn's `candidates` and `gold`; `key` names the reply.

        Both are null if the split has too few replies of other personas and does not need them.
        """
        try:
            texts = exchange.candidates or self._draw(exchange.reply, own, key)
        except DataError:
            if self._needed:
                raise
            return None, None
        order = shuffled_order(len(texts), Random(f"{self._seed}/place/{key}"))
        return [texts[i] for i in order], order.index(len(texts) - 1)

    def _draw(self, reply: str, own: _Replies, key: str) -> list[str]:
        random = Random(f"{self._seed}/draw/{key}")
        return draw(reply, own.others, random=random, origin=key)

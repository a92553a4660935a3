"""Fresh people for a confirmation: some of train's take the place of the test split's.

A test split that many runs have read is no longer unseen. `tasks.held_out` draws people of train
before anything is trained. Persona-chat has each conversation twice, from either side, so the other
side of a held-out person's dialogue is another task of train. It has the person's words as history.
It is left out, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from pipeline.errors import DataError
from pipeline.params import HeldOut
from pipeline.persona.task.text import normalise
from pipeline.persona.tasks.parser import ParsedDialogue


Groups = list[list[int]]  # each person's dialogues, by their places in the file

WORDS = 4  # of a reply that tells a conversation; shorter ones are said by many
SHARE = 0.5  # of a dialogue's partner lines that are such replies: it is the other side


@dataclass(frozen=True)
class Divided:
    """Train's people, divided: the rest, and those held out."""

    train: Groups
    held_out: Groups
    other_sides: int  # dialogues of train that are left out, since they tell a held-out person's


def hold_out(
    dialogues: Sequence[ParsedDialogue], groups: Sequence[Sequence[int]], wanted: HeldOut
) -> Divided:
    """Draw people of train by seed; the same people whatever else the parameters say.

    Args:
        dialogues: of train, in file order; read twice, one at a time.
        groups: its people.
        wanted: how many, with how many dialogues at least, and the seed.

    Raises:
        DataError: train has too few people with so many dialogues.
    """
    able = [n for n, members in enumerate(groups) if len(members) >= wanted.dialogues]
    if len(able) <= wanted.people:
        raise DataError(
            f"train: {len(able)} people have {wanted.dialogues} dialogues or more, so "
            f"{wanted.people} cannot be held out and one kept; lower tasks.held_out.people or "
            "tasks.held_out.dialogues"
        )
    drawn = set(Random(f"{wanted.seed}/held out").sample(able, wanted.people))
    held = [list(members) for n, members in enumerate(groups) if n in drawn]
    dropped = _other_sides(dialogues, {i for members in held for i in members})
    rest = [
        [i for i in members if i not in dropped]
        for n, members in enumerate(groups)
        if n not in drawn
    ]
    return Divided([members for members in rest if members], held, len(dropped))


def _other_sides(dialogues: Sequence[ParsedDialogue], held: set[int]) -> set[int]:
    """Return the dialogues outside `held` whose partner is a held-out person."""
    said = {
        normalise(exchange.reply)
        for i, own in enumerate(dialogues)
        if i in held
        for exchange in own.exchanges
    }
    telling = {reply for reply in said if len(reply.split()) >= WORDS}
    others = set()
    for i, dialogue in enumerate(dialogues):
        if i in held:
            continue
        lines = [normalise(exchange.partner) for exchange in dialogue.exchanges]
        long = [line for line in lines if len(line.split()) >= WORDS]
        if long and sum(line in telling for line in long) >= SHARE * len(long):
            others.add(i)
    return others

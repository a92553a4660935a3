"""Counts of a corpus and of its leaks: the content of `data/tasks/summary.json`.

A leak is not always an error: many dialogues begin with the same greeting. Leaks are counted so
that readers can judge a score.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from hashlib import blake2b
from itertools import combinations
from statistics import median

from pipeline.errors import DataError
from pipeline.persona.task.record import SILENCE, PersonaTask, Split, Turn
from pipeline.persona.task.text import normalise
from pipeline.persona.tasks.grouping import Variants, group_variants, variant_of
from pipeline.persona.tasks.known_counts import CorpusCounts
from pipeline.persona.tasks.parser import ParsedDialogue


Summary = dict[str, object]

MUCH = 0.1  # of the replies of a split; people say "thanks" more than once


def counts(parsed: Iterable[ParsedDialogue], num_personas: int) -> CorpusCounts:
    """Return one split's counts, to be compared with those of a known corpus."""
    dialogues = replies = 0
    variants = set()
    for dialogue in parsed:
        dialogues += 1
        replies += len(dialogue.exchanges)
        variants.add(_key(variant_of(dialogue.persona)))
    return CorpusCounts(
        dialogues=dialogues, replies=replies, variants=len(variants), personas=num_personas
    )


def summarise(tasks: Mapping[Split, Iterable[PersonaTask]]) -> Summary:
    """Count the records of the three splits, and their leaks of every kind."""
    splits = {split: SplitSums() for split in tasks}
    for split, of_split in tasks.items():
        for task in of_split:
            splits[split].add(task)
    return summary_of(splits)


def summary_of(splits: "Mapping[Split, SplitSums]") -> Summary:
    """Return what `summarise` does, from the sums over each split's tasks."""
    leaks: Summary = {split: one.leaks() for split, one in splits.items()}
    leaks["personas_in_two_splits"] = _shared(_personas(splits))
    leaks["persona_variants_in_two_splits"] = _shared(
        {s: one.variants for s, one in splits.items()}
    )
    leaks["persona_sentences_in_two_splits"] = _shared(
        {s: one.distinct.sentences.keys() for s, one in splits.items()}
    )
    return {"splits": {split: one.content() for split, one in splits.items()}, "leaks": leaks}


class SplitSums:
    """Sums over the tasks of one split, which are seen one at a time.

    Attributes:
        variants: keys of its persona variants.
        distinct: each of them once, and their sentences; none of a person without a text.
    """

    def __init__(self) -> None:
        self.variants: set[int] = set()
        self.distinct = Variants()
        self._sizes = array("L")
        self._totals = Counter(dict.fromkeys(_KINDS, 0))
        self._replies = self._empty = self._openings = 0

    def add(self, task: PersonaTask) -> None:
        """Count one task."""
        self._sizes.append(len(task.dialogues))
        for dialogue in task.dialogues:
            variant = variant_of(dialogue.persona)
            if variant and (key := _key(variant)) not in self.variants:
                self.variants.add(key)
                self.distinct.add(variant)
            for turn in dialogue.turns:
                self._replies += 1
                self._empty += not normalise(turn.reply)
                self._openings += turn.partner == SILENCE
        self._totals.update(_leaks(task))

    @property
    def num_personas(self) -> int:
        """The number of tasks."""
        return len(self._sizes)

    def check_folds(self, split: str) -> None:
        """Refuse a held-out split in which nothing can be held out: no persona has two dialogues.

        Raises:
            DataError: names the split.
        """
        if max(self._sizes) < 2:
            raise DataError(
                f"{split}: none of its {len(self._sizes)} personas has two dialogues, so none can "
                "be held out while the others are the support; give the split more dialogues, or "
                "raise tasks.max_personas"
            )

    def content(self) -> Summary:
        """Return the counts of the records."""
        sizes = self._sizes
        return {
            "personas": len(sizes),
            "personas_with_one_dialogue": sizes.count(1),  # normal training only
            "personas_with_two_dialogues_or_more": len(sizes) - sizes.count(1),
            "persona_variants": len(self.variants),
            "dialogues": sum(sizes),
            "dialogues_per_persona": {
                "min": min(sizes),
                "median": median(sizes),
                "max": max(sizes),
            },
            "replies": self._replies,
            "replies_empty_after_normalisation": self._empty,  # F1 is 0
            "openings_without_partner": self._openings,
        }

    @property
    def in_support(self) -> float:
        """Which share of the replies stands word for word in other dialogues of the persona."""
        return self._totals["replies_in_support"] / self._replies

    def leaks(self) -> Summary:
        """Return the counts of the leaks."""
        return {**self._totals, "share_of_replies_in_support": self.in_support}


def leaking(splits: Mapping[Split, SplitSums]) -> dict[Split, float]:
    """Return the held-out splits in which much of what is asked is in the support, and how much."""
    held_out = {split: sums.in_support for split, sums in splits.items() if split != "train"}
    return {split: share for split, share in held_out.items() if share > MUCH}


def _key(sentences: Set[str]) -> int:
    """Return a short name of a set of sentences: the texts themselves would fill the memory."""
    digest = blake2b("\n".join(sorted(sentences)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _personas(splits: Mapping[Split, SplitSums]) -> dict[Split, set[object]]:
    """Return each split's personas, by numbers from a grouping of all splits together."""
    together, owners = Variants(), bytearray()
    for number, one in enumerate(splits.values()):
        for variant in one.distinct.texts():
            together.add(variant)
            owners.append(number)
    personas: dict[Split, set[object]] = {split: set() for split in splits}
    names = [*splits]
    for persona, members in enumerate(group_variants(together)):
        for index in members:
            personas[names[owners[index]]].add(persona)
    return personas


def _shared(items: Mapping[Split, Set[object]]) -> dict[str, int]:
    """Count the items that two splits have in common, for each pair of splits."""
    return {
        f"{one}_{other}": len(items[one] & items[other]) for one, other in combinations(items, 2)
    }


_KINDS = (
    "replies_in_support",  # the persona says the same in another dialogue, word for word
    "distractors_equal_to_gold",
    "distractors_in_support",  # said by the same persona in another dialogue
    "distractors_in_same_dialogue",
    "duplicate_candidates",
)


def _leaks(task: PersonaTask) -> Counter[str]:
    """Count leaks: each dialogue is held out once, and its persona's others are the support."""
    totals: Counter[str] = Counter()
    said = [{normalise(turn.reply) for turn in dialogue.turns} for dialogue in task.dialogues]
    having = Counter(reply for own in said for reply in own)
    for dialogue, own in zip(task.dialogues, said, strict=True):
        for turn in dialogue.turns:
            totals.update(_turn_leaks(turn, having, own))
    return totals


def _turn_leaks(turn: Turn, having: Mapping[str, int], dialogue: Set[str]) -> dict[str, int]:
    """Count one reply's leaks.

    Args:
        turn: the reply with its candidates.
        having: in how many of the persona's dialogues each of its replies is, normalised.
        dialogue: its replies in this dialogue, normalised.
    """
    gold = normalise(turn.reply)
    distractors = [normalise(c) for i, c in enumerate(turn.candidates or ()) if i != turn.gold]

    def in_support(reply: str) -> bool:
        return having.get(reply, 0) > (reply in dialogue)

    return {
        "replies_in_support": int(in_support(gold)),
        "distractors_equal_to_gold": distractors.count(gold),
        "distractors_in_support": sum(in_support(d) and d != gold for d in distractors),
        "distractors_in_same_dialogue": sum(d in dialogue and d != gold for d in distractors),
        "duplicate_candidates": len(distractors) - len(set(distractors)),
    }

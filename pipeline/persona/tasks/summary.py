"""Counts of a corpus and of its leaks: the content of `data/tasks/summary.json`.

A leak is not always an error: many dialogues begin with the same greeting. Leaks are counted so
that readers can judge a score.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import combinations
from statistics import median

from pipeline.persona.task import SILENCE, Dialogue, PersonaTask, Split, Turn
from pipeline.persona.tasks.grouping import group, normalise_sentence, variant_of
from pipeline.persona.tasks.known_counts import CorpusCounts
from pipeline.persona.tasks.parser import ParsedDialogue
from pipeline.persona.text import normalise


Summary = dict[str, object]


def counts(parsed: Sequence[ParsedDialogue], num_personas: int) -> CorpusCounts:
    """Return one split's counts, to be compared with those of a known corpus."""
    return CorpusCounts(
        dialogues=len(parsed),
        replies=sum(len(dialogue.exchanges) for dialogue in parsed),
        variants=len({variant_of(dialogue.persona) for dialogue in parsed}),
        personas=num_personas,
    )


def summarise(tasks: Mapping[Split, Sequence[PersonaTask]]) -> Summary:
    """Count the records of the three splits, and their leaks of every kind."""
    leaks: Summary = {split: _leaks(of_split) for split, of_split in tasks.items()}
    leaks["personas_in_two_splits"] = _shared(_personas(tasks))
    leaks["persona_variants_in_two_splits"] = _shared(_collected(tasks, _variants))
    leaks["persona_sentences_in_two_splits"] = _shared(_collected(tasks, _sentences))
    splits = {split: _split(of_split) for split, of_split in tasks.items()}
    return {"splits": splits, "leaks": leaks}


def _split(tasks: Sequence[PersonaTask]) -> Summary:
    dialogues = [dialogue for task in tasks for dialogue in task.dialogues]
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    sizes = [len(task.dialogues) for task in tasks]
    return {
        "personas": len(tasks),
        "personas_with_one_dialogue": sizes.count(1),  # for normal training only: no task, no fold
        "personas_with_two_dialogues_or_more": len(sizes) - sizes.count(1),
        "persona_variants": len({variant_of(d.persona) for d in dialogues}),
        "dialogues": len(dialogues),
        "dialogues_per_persona": {"min": min(sizes), "median": median(sizes), "max": max(sizes)},
        "replies": len(turns),
        "replies_empty_after_normalisation": sum(not normalise(t.reply) for t in turns),  # F1 is 0
        "openings_without_partner": sum(t.partner == SILENCE for t in turns),
    }


def _variants(dialogue: Dialogue) -> set[object]:
    return {variant_of(dialogue.persona)}


def _sentences(dialogue: Dialogue) -> set[object]:
    return set(map(normalise_sentence, dialogue.persona))


def _collected(
    tasks: Mapping[Split, Sequence[PersonaTask]], what: Callable[[Dialogue], set[object]]
) -> dict[Split, set[object]]:
    return {
        split: {item for task in of_split for d in task.dialogues for item in what(d)}
        for split, of_split in tasks.items()
    }


def _personas(tasks: Mapping[Split, Sequence[PersonaTask]]) -> dict[Split, set[object]]:
    """Return each split's personas, by numbers from a grouping of all splits together."""
    owners = [(split, d) for split, ts in tasks.items() for t in ts for d in t.dialogues]
    personas: dict[Split, set[object]] = {split: set() for split in tasks}
    for persona, members in enumerate(group([d.persona for _, d in owners])):
        for index in members:
            personas[owners[index][0]].add(persona)
    return personas


def _shared(items: Mapping[Split, set[object]]) -> dict[str, int]:
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


def _leaks(tasks: Sequence[PersonaTask]) -> Summary:
    """Count leaks: each dialogue is held out once, and its persona's others are the support."""
    totals = Counter(dict.fromkeys(_KINDS, 0))
    replies = 0
    for task in tasks:
        said = [{normalise(turn.reply) for turn in dialogue.turns} for dialogue in task.dialogues]
        having = Counter(reply for own in said for reply in own)
        for dialogue, own in zip(task.dialogues, said, strict=True):
            support = {reply for reply, number in having.items() if number > (reply in own)}
            replies += len(dialogue.turns)
            for turn in dialogue.turns:
                totals.update(_turn_leaks(turn, support, own))
    return {**totals, "share_of_replies_in_support": totals["replies_in_support"] / replies}


def _turn_leaks(turn: Turn, support: Set[str], dialogue: Set[str]) -> dict[str, int]:
    """Count one reply's leaks.

    Args:
        turn: the reply with its candidates.
        support: the persona's replies in its other dialogues, normalised.
        dialogue: its replies in this dialogue, normalised.
    """
    gold = normalise(turn.reply)
    distractors = [normalise(c) for i, c in enumerate(turn.candidates or ()) if i != turn.gold]
    return {
        "replies_in_support": int(gold in support),
        "distractors_equal_to_gold": distractors.count(gold),
        "distractors_in_support": sum(d in support and d != gold for d in distractors),
        "distractors_in_same_dialogue": sum(d in dialogue and d != gold for d in distractors),
        "duplicate_candidates": len(distractors) - len(set(distractors)),
    }

"""What a corpus holds and where it leaks: the content of `data/tasks/summary.json`.

A leak is not always an error (a greeting stands in many dialogues); it is counted so that a score
can be judged.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import combinations
from statistics import median

from pipeline.persona.task import SILENCE, Dialogue, PersonaTask, Split, Turn
from pipeline.persona.tasks.grouping import group, normalise_sentence, variant_of
from pipeline.persona.tasks.known_counts import Counts
from pipeline.persona.tasks.parser import ParsedDialogue
from pipeline.persona.text import normalise


Summary = dict[str, object]


def counts(parsed: Sequence[ParsedDialogue], num_personas: int) -> Counts:
    """Return the facts by which a known archive is recognised."""
    return Counts(
        dialogues=len(parsed),
        replies=sum(len(dialogue.exchanges) for dialogue in parsed),
        variants=len({variant_of(dialogue.persona) for dialogue in parsed}),
        personas=num_personas,
    )


def summarise(tasks: Mapping[Split, Sequence[PersonaTask]]) -> Summary:
    """Count what the records of the three splits hold, and every kind of leak."""
    leaks: Summary = {split: _leaks(those) for split, those in tasks.items()}
    leaks["personas_in_two_splits"] = _shared(_personas(tasks))
    leaks["persona_variants_in_two_splits"] = _shared(_collected(tasks, _variants))
    leaks["persona_sentences_in_two_splits"] = _shared(_collected(tasks, _sentences))
    return {"splits": {split: _split(those) for split, those in tasks.items()}, "leaks": leaks}


def _split(tasks: Sequence[PersonaTask]) -> Summary:
    dialogues = [dialogue for task in tasks for dialogue in task.dialogues]
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    sizes = [len(task.dialogues) for task in tasks]
    return {
        "personas": len(tasks),
        "personas_with_one_dialogue": sizes.count(1),  # trained on normally, no task, no fold
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
        split: {item for task in those for d in task.dialogues for item in what(d)}
        for split, those in tasks.items()
    }


def _personas(tasks: Mapping[Split, Sequence[PersonaTask]]) -> dict[Split, set[object]]:
    """Return which personas each split has, grouped as if all splits were one."""
    owners = [(split, d) for split, those in tasks.items() for t in those for d in t.dialogues]
    found: dict[Split, set[object]] = {split: set() for split in tasks}
    for persona, members in enumerate(group([d.persona for _, d in owners])):
        for index in members:
            found[owners[index][0]].add(persona)
    return found


def _shared(found: Mapping[Split, set[object]]) -> dict[str, int]:
    return {
        f"{one}_{other}": len(found[one] & found[other]) for one, other in combinations(found, 2)
    }


_KINDS = (
    "replies_in_support",  # the persona says the same in another dialogue, word for word
    "distractors_equal_to_gold",
    "distractors_in_support",  # said by the same persona in another dialogue
    "distractors_in_same_dialogue",
    "duplicate_candidates",
)


def _leaks(tasks: Sequence[PersonaTask]) -> Summary:
    """Count leaks with every dialogue held out in turn, all others of its persona as support."""
    totals = Counter(dict.fromkeys(_KINDS, 0))
    replies = 0
    for task in tasks:
        keys = [{normalise(turn.reply) for turn in dialogue.turns} for dialogue in task.dialogues]
        having = Counter(key for those in keys for key in those)
        for dialogue, here in zip(task.dialogues, keys, strict=True):
            support = {key for key, number in having.items() if number > (key in here)}
            replies += len(dialogue.turns)
            for turn in dialogue.turns:
                totals.update(_turn_leaks(turn, support, here))
    return {**totals, "share_of_replies_in_support": totals["replies_in_support"] / replies}


def _turn_leaks(turn: Turn, support: Set[str], here: Set[str]) -> dict[str, int]:
    """Count one reply's leaks; `support` and `here` are normalised replies of the persona."""
    own = normalise(turn.reply)
    distractors = [normalise(c) for i, c in enumerate(turn.candidates or ()) if i != turn.gold]
    return {
        "replies_in_support": int(own in support),
        "distractors_equal_to_gold": distractors.count(own),
        "distractors_in_support": sum(d in support and d != own for d in distractors),
        "distractors_in_same_dialogue": sum(d in here and d != own for d in distractors),
        "duplicate_candidates": len(distractors) - len(set(distractors)),
    }

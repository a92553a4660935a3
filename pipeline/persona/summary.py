"""What a corpus holds and where it leaks: the content of `data/tasks/summary.json`.

A leak is not always an error (a greeting stands in many dialogues); it is counted so that a score
can be judged.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from pipeline.persona.grouping import normalise_sentence, variant_of
from pipeline.persona.known_counts import Counts
from pipeline.persona.parser import ParsedDialogue
from pipeline.persona.task import SILENCE, Dialogue, PersonaTask, Split, Turn
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
    leaks["persona_variants_in_two_splits"] = _shared(tasks, _variants)
    leaks["persona_sentences_in_two_splits"] = _shared(tasks, _sentences)
    return {"splits": {split: _split(those) for split, those in tasks.items()}, "leaks": leaks}


def _split(tasks: Sequence[PersonaTask]) -> Summary:
    dialogues = [dialogue for task in tasks for dialogue in task.dialogues]
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    sizes = [len(task.dialogues) for task in tasks]
    return {
        "personas": len(tasks),
        "personas_with_one_dialogue": sizes.count(1),  # trained on normally, no task, no fold
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


def _shared(
    tasks: Mapping[Split, Sequence[PersonaTask]], what: Callable[[Dialogue], set[object]]
) -> dict[str, int]:
    found = {
        split: {item for task in those for d in task.dialogues for item in what(d)}
        for split, those in tasks.items()
    }
    pairs: tuple[tuple[Split, Split], ...] = (
        ("train", "valid"),
        ("train", "test"),
        ("valid", "test"),
    )
    return {f"{one}_{other}": len(found[one] & found[other]) for one, other in pairs}


def _leaks(tasks: Sequence[PersonaTask]) -> Summary:
    totals: Counter[str] = Counter()
    replies = 0
    for task in tasks:
        said = Counter(r for d in task.dialogues for r in {normalise(t.reply) for t in d.turns})
        for turn in _turns(task):
            replies += 1
            own = normalise(turn.reply)
            totals["replies_in_support"] += said[own] > 1
            totals.update(_candidate_leaks(turn, own, said))
    share = totals["replies_in_support"] / replies
    # A reply that the same persona gives word for word in another dialogue.
    return {**{kind: totals[kind] for kind in _KINDS}, "share_of_replies_in_support": share}


_KINDS = (
    "replies_in_support",
    "distractors_equal_to_gold",
    "distractors_of_the_same_persona",
    "duplicate_candidates",
)


def _candidate_leaks(turn: Turn, own: str, said: Counter[str]) -> dict[str, int]:
    """Count, among one reply's distractors, those that are no fair ones."""
    if turn.candidates is None:
        return {}
    distractors = [normalise(c) for i, c in enumerate(turn.candidates) if i != turn.gold]
    return {
        "distractors_equal_to_gold": sum(d == own for d in distractors),
        "distractors_of_the_same_persona": sum(d != own and said[d] > 0 for d in distractors),
        "duplicate_candidates": len(distractors) - len(set(distractors)),
    }


def _turns(task: PersonaTask) -> Iterator[Turn]:
    return (turn for dialogue in task.dialogues for turn in dialogue.turns)

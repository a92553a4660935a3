"""What the splits share, in words. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.artifacts import SPLITS
from pipeline.evaluation.report.page.findings import TasksSummary


WORDS = {
    "personas_in_two_splits": "people who are in both splits",
    "persona_variants_in_two_splits": "persona texts that are in both splits",
    "persona_sentences_in_two_splits": "persona sentences that are in both splits",
    "replies_in_support": "replies that the person also says in another dialogue",
    "share_of_replies_in_support": "the same as a share of all replies",
    "distractors_in_support": "distractors that the person says in another dialogue",
    "distractors_in_same_dialogue": "distractors that are said in the same dialogue",
    "distractors_equal_to_gold": "distractors that equal the real reply",
    "duplicate_candidates": "candidates that are twice in a list",
}
GRAVE = ("personas_in_two_splits", "persona_variants_in_two_splits")


@dataclass(frozen=True)
class Leak:
    """A count, and where it was found."""

    words: str
    where: str
    count: str
    grave: bool  # it makes a test of unseen people a test of seen ones


def leaks(summary: TasksSummary) -> list[Leak]:
    """Return every leak that was counted and is not 0, the grave ones first."""
    found = [
        Leak(WORDS.get(kind, kind), where, f"{count:g}", kind in GRAVE)
        for group, counts in summary.leaks.items()
        for name, count in counts.items()
        if count
        for kind, where in [
            (name, group) if group in SPLITS else (group, name.replace("_", " and "))
        ]
    ]
    return sorted(found, key=lambda leak: not leak.grave)


def checked(summary: TasksSummary) -> Sequence[str]:
    """Return the kinds of leaks that were looked for."""
    kinds = {
        kind
        for group, counts in summary.leaks.items()
        for kind in ([group] if group not in SPLITS else counts)
    }
    return [words for kind, words in WORDS.items() if kind in kinds]

"""Which record has the most support dialogues in the prompt, for each reply. No torch."""

from collections.abc import Sequence

from pipeline.evaluation.records.prediction import Prediction


def longest_prompts(
    prompted: Sequence[Prediction], zero: Sequence[Prediction], k: int
) -> list[Prediction]:
    """Return each reply's record with the most dialogues in the prompt, at most K of them.

    Where no dialogue fits into the prompt, the record at K = 0 is taken.

    Args:
        prompted: of protocol `in_context`.
        zero: of K-shot at K = 0.
        k: K.
    """
    longest = {_reply(record): record for record in zero}
    for record in sorted(prompted, key=lambda record: record.k):
        if record.k <= k and _reply(record) in longest:
            longest[_reply(record)] = record
    return list(longest.values())


def _reply(record: Prediction) -> tuple[str, int, str, int]:
    return record.task_id, record.seed, record.dialogue_id, record.turn

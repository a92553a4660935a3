"""Whether rows were scored on the same replies, so that they may be compared. No torch.

A row's file says which replies it was scored on: people, seeds and, since it has one, a digest of
the replies themselves. A file without a digest has the tokens of each person, which other replies,
or another tokenizer, would change.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from pipeline.errors import DataError, one_line
from pipeline.evaluation.few_shot.shot_cells import Cells
from pipeline.evaluation.few_shot.shots import WAYS, ShotSums
from pipeline.evaluation.records.prediction import Prediction


def replies_sha256(records: Iterable[Prediction]) -> str:
    """Return the digest of the replies that records are of, each taken once."""
    replies = {(r.task_id, r.dialogue_id, r.turn, r.reference) for r in records}
    digest = sha256()
    for reply in sorted(replies):
        digest.update("\0".join(map(str, reply)).encode() + b"\n")
    return digest.hexdigest()


def refuse_other_replies(rows: Mapping[str, ShotSums], origin: object) -> None:
    """Refuse rows that were not all scored on the same replies, by the same base.

    Args:
        rows: by variant.
        origin: where they are, for the message.

    Raises:
        DataError: names two rows, what differs, and the command to run.
    """
    names = list(rows)
    for name in names:
        if difference := other_replies(rows[names[0]], rows[name]):
            pair = name if name == names[0] else f"{names[0]} and {name}"
            raise DataError(
                f"{origin}: {pair}: scored on different replies ({difference}); run "
                f"`python -m stages.shots {name}` again on the tasks of the others"
            )
        bases = [row.made_from.base for row in (rows[names[0]], rows[name]) if row.made_from]
        if len({*bases}) > 1:
            digests = "… and ".join(one_line(base)[:12] for base in bases)
            raise DataError(
                f"{origin}: {names[0]} and {name}: of two bases, of SHA-256 {digests}…; give runs "
                "of one base"
            )


def other_replies(one: ShotSums, other: ShotSums) -> str | None:
    """Say how two rows' replies differ; null: as far as the files tell, they are the same."""
    if one.personas != other.personas:
        return f"{len(one.personas)} and {len(other.personas)} people, or other ones"
    if one.seeds != other.seeds:
        return f"training seeds {one.seeds} and {other.seeds}"
    if one.replies and other.replies and one.replies != other.replies:
        digests = (one_line(row.replies)[:12] for row in (one, other))
        return f"their digests are {'… and '.join(digests)}…"
    first = next(_cells(one), None)
    for place, cells in _cells(other):
        if first is not None and (found := _other_tokens(first[1], cells, one)):
            return f"{first[0]} and {place}: {found}"
    return None


def _cells(row: ShotSums) -> Iterator[tuple[str, Cells]]:
    for way in WAYS:
        for k, cells in row.by(way).items():
            yield f"K = {k} by {way}", cells


def _other_tokens(one: Cells, other: Cells, row: ShotSums) -> str | None:
    for persona, mine, its in zip(row.personas, one, other, strict=True):
        for seed, (_, tokens), (_, others) in zip(row.seeds, mine, its, strict=True):
            if tokens != others:
                return f"{one_line(persona)}, seed {seed}, has {tokens:g} and {others:g} tokens"
    return None

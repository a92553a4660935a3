"""What variants say before and after K dialogues, for samples side by side (App. C). No torch."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import DataError
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.report.samples.samples import Place, Response
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from pipeline.evaluation.schemas.base import Schema


def replies_file(variant: str) -> Path:
    """Where a variant's replies lie; no stage's out."""
    return Path("replies") / f"{variant}.json"


class Said(Schema):
    """One response."""

    greedy: str
    sampled: str | None = None  # by the same random numbers for every variant; not in studies


class ContextReplies(Schema):
    """The responses in one context, which is named and not quoted."""

    dialogue_id: str
    turn: int
    before: Said
    after: Said


class FewShotReplies(Schema):
    """`replies/VARIANT.json`: what `python -m stages.replies` writes of one variant."""

    variant: str
    k: int
    epochs: int  # on the K dialogues
    replies: list[ContextReplies]
    made_from: AdaptedFrom | None = None  # absent from files of an older version


def few_shot_replies(records: Sequence[Prediction], made_from: AdaptedFrom) -> FewShotReplies:
    """Return the file's content.

    Args:
        records: of `controls.replies`, two of each context, of one at least.
        made_from: what they were made from.
    """
    before = {(r.dialogue_id, r.turn): r for r in records if not r.k}
    after = {(r.dialogue_id, r.turn): r for r in records if r.k}
    last = next(iter(after.values()))
    return FewShotReplies(
        variant=made_from.variant,
        k=last.k,
        epochs=last.epoch,
        replies=[
            ContextReplies(
                dialogue_id=dialogue,
                turn=turn,
                before=_said(before[dialogue, turn]),
                after=_said(record),
            )
            for (dialogue, turn), record in after.items()
        ],
        made_from=made_from,
    )


def greedy_alone(content: FewShotReplies) -> FewShotReplies:
    """Return the content without nucleus samples."""
    replies = [
        one.model_copy(
            update={
                "before": Said(greedy=one.before.greedy),
                "after": Said(greedy=one.after.greedy),
            }
        )
        for one in content.replies
    ]
    return content.model_copy(update={"replies": replies})


def responses_of(content: FewShotReplies, real: dict[Place, str]) -> dict[Place, list[Response]]:
    """Return the responses by place.

    Args:
        content: a variant's file.
        real: the real reply of every context of the split.

    Raises:
        DataError: the file is of other tasks.
    """
    by_place = {}
    for one in content.replies:
        place = (one.dialogue_id, one.turn)
        if place not in real:
            raise DataError(
                f"{replies_file(content.variant)}: {one.dialogue_id}, turn {one.turn}: not in "
                f"data/tasks; run `python -m stages.replies {content.variant}` again"
            )
        by_place[place] = [
            Response(content.variant, epoch, said.sampled or "–", said.greedy, real[place])
            for epoch, said in ((0, one.before), (content.epochs, one.after))
        ]
    return by_place


def _said(record: Prediction) -> Said:
    return Said(sampled=record.response or "", greedy=record.greedy or "")

"""What a variant says before and after K dialogues: `python -m stages.replies VARIANT`."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.atomic import only_run
from pipeline.errors import ParamsError
from pipeline.evaluation.predict import inputs
from pipeline.evaluation.predict.protocols import require_k_shot
from pipeline.evaluation.report.samples.few_shot import few_shot_replies, replies_file
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from stages.few_shot.kshot_records import KshotRecords
from stages.shell import console
from stages.shell.arguments import VariantName


def replies(
    name: VariantName,
    people: Annotated[int, typer.Option(min=1, help="Of test, the first ones.")] = 20,
) -> None:
    """Fine-tune on the largest K of finetune.k as finetune.by_k says; write what is said.

    One context for each person, by the first training seed. `python -m stages.samples --replies
    FILE` shows the files of several variants side by side, with the contexts.
    """
    params = inputs.finetune_params(name)
    if not max(params.finetune.k, default=0):
        raise ParamsError("finetune.k: a K over 0 was expected; what is said after it is shown")
    path = replies_file(name)
    with only_run(path):
        seeds = params.seeds[:1]
        read = inputs.read_by(name, seeds)
        made_with = inputs.made_from(name, params)["made_with"]
        made_from = AdaptedFrom.of(name, params, read.digests, seeds, made_with)
        first = inputs.tasks_of("test")[:people]
        require_k_shot(
            first, params.finetune, "test" if people > len(first) else f"test, the first {people},"
        )
        scored = KshotRecords()
        records = scored.of(name, params, "test", seeds, "replies", people)
        content = few_shot_replies(records, made_from)
        read.refuse_changed()
        artifacts.write_sealed(path, content.content())
        scored.delete()
    console.say(f"{path}: {len(content.replies)} contexts, before and after K = {content.k}")


if __name__ == "__main__":
    console.run(replies)

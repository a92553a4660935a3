"""App. C: the same contexts, every variant's replies: `python -m stages.samples`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from pipeline import artifacts
from pipeline.errors import MissingFileError, ParamsError, one_line
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.report.samples.few_shot import FewShotReplies, responses_of
from pipeline.evaluation.report.samples.samples import (
    APPENDIX_C,
    Context,
    Responses,
    chosen,
    contexts,
    is_markdown,
    markdown,
    responses,
)
from pipeline.evaluation.schemas.adapted_from import adapted, is_untold, made_of_adapted
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.schemas.made_from import refuse_other_runs
from pipeline.outs import refuse_damaged
from pipeline.params import Settings, stated
from pipeline.params.inputs import refuse_others_file
from pipeline.persona.task.record import PersonaTask
from stages.few_shot.kept_params import CHANGES
from stages.shell import console, one_run


def samples(
    count: Annotated[int, typer.Option("--contexts", min=0, help="Contexts to draw.")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Also write Markdown there.")] = None,
    replies: Annotated[
        list[Path] | None,
        typer.Option(help="Files of `stages.replies`, in the place of predictions."),
    ] = None,
) -> None:
    """Print persona, history, the real reply and what every scored variant says."""
    if out is not None:
        refuse_others_file(out, "--out", is_markdown)
    tasks = artifacts.read_records(artifacts.tasks_file("test"), PersonaTask, made_by="tasks")
    every = list(contexts(tasks))
    said = _few_shot(replies, every) if replies else _predicted()
    shown = chosen(every, said, count=count, seed=seed)
    text = markdown(shown, said)
    if out is not None:
        artifacts.write_text(out, text)
    console.out.print(Markdown(text))
    held = {context.digest for context in every} & set(APPENDIX_C)
    scored = {context.digest for context in shown} & held
    console.out.print(
        f"Appendix C's own contexts: {len(held)} of {len(APPENDIX_C)} in this test split, "
        f"{len(scored)} of them predicted by every variant."
    )
    if out is None:
        console.out.require_all_said()


def _few_shot(files: Sequence[Path], every: Sequence[Context]) -> Responses:
    """Return the responses of `stages.replies`, by variant."""
    real = {context.place: context.reply for context in every}
    refuse_damaged(artifacts.TASKS)
    read_files: dict[str, tuple[Path, FewShotReplies]] = {}
    for path in files:
        content = read(path, FewShotReplies, made_by="replies VARIANT")
        if content.variant in read_files:
            raise ParamsError(
                f"--replies {one_line(path)}: variant {one_line(content.variant)} was given "
                "before; give each variant's replies once"
            )
        read_files[content.variant] = path, content
    refuse_other_runs(
        adapted(path, f"replies {name}", content.made_from, name)
        for name, (path, content) in read_files.items()
    )
    for path, content in read_files.values():
        _refuse_other_params(path, content)
    return {name: responses_of(content, real) for name, (_, content) in read_files.items()}


def _refuse_other_params(path: Path, content: FewShotReplies) -> None:
    """Refuse replies that were made with other parameters than their run has now.

    A run's file lies in its folder `replies`; any other is taken to be of the run that is shown.
    What a study keeps was compared when it was kept.
    """
    run, command = path.parent.parent, f"replies {content.variant}"
    params = run / artifacts.PARAMS if (run / artifacts.PARAMS).is_file() else artifacts.PARAMS
    if (run / CHANGES).is_file() or not params.is_file():
        return
    made = made_of_adapted(path, command, content.made_from, ["generate"])
    stated.refuse_other_params(Settings.load(params), made, params)
    if is_untold(content.made_from, run):
        console.note(
            f"{path}: of an older version, so the parameters that made it are not known; "
            f"`python -m stages.{command}` makes it anew"
        )


def _predicted() -> Responses:
    """Return the responses of this folder's predictions, by variant."""
    settings = Settings.load()
    files = {name: artifacts.predictions_file(name) for name in settings.check().scored}
    predicted = [name for name, path in files.items() if path.is_file()]
    if not predicted:
        raise MissingFileError(artifacts.predictions_file("VARIANT"), "finetune VARIANT")
    refuse_other_runs(one_run.of_predictions(predicted))
    identities = [*map(predictions_file.read_identity, predicted)]
    one_run.refuse_other_params(settings, predictions=identities)
    return {name: responses(name, predictions_file.read(name)) for name in predicted}


if __name__ == "__main__":
    console.run(samples)

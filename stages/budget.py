"""Print the steps that give normal training meta-training's replies: `python -m stages.budget`."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.learning.budget import meta_budget, normal_budget, num_replies, steps_for
from pipeline.params import MetaTrainParams, Settings, TrainParams
from pipeline.persona.task import PersonaTask
from stages import console


def budget(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[VARIANT]", help="A meta-trained variant; none: the common values"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Training seed: draws differ between seeds.")] = 0,
) -> None:
    """Count meta-training's replies on data/tasks and print controls' `set:` for as many."""
    settings = Settings.load()
    chosen = settings.variant(name).set if name else {}
    path = artifacts.tasks_file("train")
    tasks = artifacts.read_records(path, PersonaTask, made_by="tasks")
    seen = meta_budget(tasks, settings.view(MetaTrainParams, chosen), seed)
    size = settings.view(TrainParams).train.batch_size
    there = num_replies(tasks)
    for what, replies in (("in the outer loss", seen.outer), ("in any loss", seen.total)):
        steps = steps_for(replies, there, batch_size=size)
        control = normal_budget(there, batch_size=size, steps=steps).total
        console.out.print(
            f"meta-training: {replies} replies {what}; normal training: {control} in\n"
            f"  set: {{train.steps: {steps}, train.patience: {steps}}}",
            markup=False,
            highlight=False,
        )


if __name__ == "__main__":
    console.run(budget)

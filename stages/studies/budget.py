"""Normal training with meta-training's replies: `python -m stages.budget VARIANT`."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.evaluation.controls.budget import (
    Budget,
    check_control,
    control,
    meta_budget,
    normal_budget,
    num_replies,
    recorded,
    steps_for,
)
from pipeline.model.files.variant_record import VariantFile, read_variant, refuse_other_inputs
from pipeline.outs import refuse_damaged
from pipeline.params import MetaTrainParams, Settings, TrainParams, Variant
from pipeline.params.line import variant_line
from pipeline.params.methods import method_of
from pipeline.params.sections.lists import LISTS
from pipeline.persona.task.record import PersonaTask
from stages.shell import console


def budget(
    name: Annotated[str, typer.Argument(metavar="VARIANT", help="A meta-trained variant.")],
    seed: Annotated[int, typer.Option(help="Training seed: draws differ between seeds.")] = 0,
) -> None:
    """Print VARIANT's two controls of equal budget as variants; check those that are trained."""
    if method_of(name) != "meta_train":
        raise ParamsError(f"{name} is trained normally; name a variant of {LISTS['meta_train']}")
    settings = Settings.load()
    variant = settings.variant(name)
    path = artifacts.tasks_file("train")
    refuse_damaged(path)
    tasks = artifacts.read_records(path, PersonaTask, made_by="tasks")
    seen = _seen(name, seed, settings.view(MetaTrainParams, variant.set), tasks)
    console.say(
        f"Normal training with as many, as variants of {artifacts.PARAMS} "
        f"(names into {LISTS['train']} and scored):"
    )
    size = settings.view(TrainParams, control(variant, 1).set).train.batch_size
    wanted = {f"{name}_outer_budget": seen.outer, f"{name}_total_budget": seen.total}
    for other, replies in wanted.items():
        _print_row(other, variant, replies, size, num_replies(tasks))
    for other, replies in wanted.items():
        if _is_trained(other, seed):
            surplus = check_control(_of_these_tasks(other, seed), replies, batch_size=size)
            console.say(f"models/{other}: equal budget, {replies} replies and {surplus} more")


def _seen(name: str, seed: int, params: MetaTrainParams, tasks: list[PersonaTask]) -> Budget:
    """Return what the variant's run saw, or would see where it is not trained yet."""
    if _is_trained(name, seed):
        run = _of_these_tasks(name, seed)
        seen, how = recorded(run), f"as its run of {run.steps} steps counted"
    else:
        seen, how = meta_budget(tasks, params, seed), f"in {params.outer_steps} steps to come"
    console.say(f"{name}: {seen.outer} replies in the outer loss, {seen.total} in any loss, {how}.")
    return seen


def _of_these_tasks(name: str, seed: int) -> VariantFile:
    """Return a training run's record; refuse that of other tasks, or of another base."""
    run = read_variant(name, seed)
    refuse_other_inputs(run, tasks=True)
    return run


def _print_row(name: str, variant: Variant, replies: int, size: int, available: int) -> None:
    steps = steps_for(replies, available, batch_size=size)
    sees = normal_budget(available, batch_size=size, steps=steps).total
    console.say(f"  {variant_line(name, control(variant, steps))}  # {sees} replies")


def _is_trained(name: str, seed: int) -> bool:
    return (artifacts.model_dir(name, seed) / "variant.json").is_file()


if __name__ == "__main__":
    console.run(budget)

"""DVC stage `meta_train`: one variant by Algorithm 1 or 2, as its axes say."""

from typing import Annotated

import typer

from pipeline.learning import loop, maml, ranks, task_parallel
from pipeline.learning.episodes import training_episodes, validation_episodes, with_two_dialogues
from pipeline.learning.training_run import Identity, load_tasks, save, start
from pipeline.params import MetaTrainParams, Settings
from stages import console
from stages.launch import on_ranks


def meta_train(
    name: Annotated[str, typer.Argument(metavar="VARIANT", help="A key of variants.")],
    seed: Annotated[int, typer.Argument(help="Training seed.")],
) -> None:
    """Meta-train one variant: each training persona is a task."""
    settings = Settings.load()
    variant = settings.variant(name)
    params = settings.view(MetaTrainParams, variant.set)
    identity = Identity("meta_train", name, seed, variant, params.adapters, params)
    place = ranks.here()
    learner = start(identity, "eager" if params.meta_gradient == "exact" else "sdpa")
    tasks = {split: load_tasks(split, learner) for split in ("train", "valid")}
    personas = with_two_dialogues(tasks["train"], "train")
    valid = validation_episodes(
        with_two_dialogues(tasks["valid"], "valid"),
        draws=params.meta_train.valid_episodes,
        replies=params.inner_batch_size,
    )

    def step(theta: loop.Theta, number: int) -> loop.StepReport:
        episodes = training_episodes(
            personas,
            size=params.outer_batch_size,
            replies=params.inner_batch_size,
            seed=seed,
            step=number,
        )
        return task_parallel.step(
            place,
            theta,
            episodes,
            lambda mine: maml.meta_gradient(
                learner,
                theta,
                mine,
                inner_lr=params.inner_lr,
                inner_steps=params.inner_steps,
                kind=params.meta_gradient,
            ),
        )

    def validate(theta: loop.Theta) -> tuple[float, float]:
        return task_parallel.validate(
            place,
            valid,
            lambda mine: maml.validate(
                learner, theta, mine, lr=params.inner_lr, steps=params.inner_steps
            ),
        )

    schedule = loop.Schedule(
        params.outer_lr, params.outer_steps, params.meta_train, "valid_adapted_loss"
    )
    checkpoint = task_parallel.OneWriter(identity.checkpoint(), place)
    title = f"meta_train {name} {seed}"
    with console.progress(title, params.outer_steps, shown=place.first) as on_step:
        trained = loop.run(
            learner.theta, step, validate, schedule, checkpoint=checkpoint, on_step=on_step
        )
    if place.first:
        folder = save(identity, learner, trained, tasks)
        console.training_summary(folder, trained.progress.best_step, trained.progress.best_value)
    checkpoint.delete()


if __name__ == "__main__":
    console.run(on_ranks(meta_train))

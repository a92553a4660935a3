"""DVC stage `meta_train`: one variant by Algorithm 1 or 2, as its axes say."""

from typing import Annotated

import typer

from pipeline.learning import meta_training, ranks, task_parallel
from pipeline.learning.training_run import Identity, load_tasks, save, start
from pipeline.model.language_model import Attention
from pipeline.params import MetaTrainParams, Settings
from stages import console
from stages.launch import on_ranks
from stages.methods import refuse_other_method


def meta_train(
    name: Annotated[str, typer.Argument(metavar="VARIANT", help="A key of variants.")],
    seed: Annotated[int, typer.Argument(help="Training seed.")],
) -> None:
    """Meta-train one variant: each training persona is a task."""
    refuse_other_method("meta_train", name, seed)
    settings = Settings.load()
    variant = settings.variant(name)
    params = settings.view(MetaTrainParams, variant.set)
    identity = Identity("meta_train", name, seed, variant, params.adapters, params)
    place = ranks.here()
    attention: Attention = "eager" if params.meta_gradient == "exact" else "sdpa"
    learner = start(identity, attention, params.meta_train.precision)
    tasks = {split: load_tasks(split, learner) for split in ("train", "valid")}
    checkpoint = task_parallel.OneWriter(identity.checkpoint(), place)
    title = f"meta_train {name} {seed}"
    with console.progress(title, params.outer_steps, shown=place.first) as on_step:
        trained, rates = meta_training.run(
            learner, params, tasks, seed=seed, checkpoint=checkpoint, on_step=on_step
        )
    if place.first:
        folder = save(identity, learner, trained, tasks, rates)
        console.training_summary(folder, trained.progress.best_step, trained.progress.best_value)
    checkpoint.delete()


if __name__ == "__main__":
    console.run(on_ranks(meta_train))

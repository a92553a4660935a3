"""DVC stage `meta_train`: one variant by Algorithm 1 or 2, as its axes say."""

from typing import Annotated

import typer

from pipeline.learning.meta import train
from pipeline.learning.parallel import over_ranks, ranks
from pipeline.learning.training.run import Identity, load_tasks, save, start
from pipeline.model.network.language_model import Attention
from pipeline.params import MetaTrainParams, Settings
from pipeline.params.methods import refuse_other_method
from stages.shell import console
from stages.shell.launch import on_ranks


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
    checkpoint = over_ranks.OneWriter(identity.checkpoint(), place)
    title = f"meta_train {name} {seed}"
    with console.progress(title, params.outer_steps, shown=place.first) as on_step:
        trained, rates = train.run(
            learner, params, tasks, seed=seed, checkpoint=checkpoint, on_step=on_step
        )
    if place.first:
        folder = save(identity, learner, trained, tasks, rates)
        console.training_summary(folder, trained.progress.best_step, trained.progress.best_value)
    checkpoint.delete()


if __name__ == "__main__":
    console.run(on_ranks(meta_train))

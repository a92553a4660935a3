"""DVC stage `train`: normal training of one variant (Section 4.2)."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.learning.training import normal
from pipeline.learning.training.loop import Session
from pipeline.learning.training.variant_run import VariantRun, load_tasks, save, start
from pipeline.params import Settings, TrainParams
from pipeline.params.methods import refuse_other_method
from stages.shell import console


@artifacts.one_at_a_time(artifacts.model_dir)
def train(
    name: Annotated[str, typer.Argument(metavar="VARIANT", help="A key of variants.")],
    seed: Annotated[int, typer.Argument(help="Training seed.")],
) -> None:
    """Train one variant on the replies of all training personas together."""
    refuse_other_method("train", name, seed)
    settings = Settings.load()
    variant = settings.variant(name)
    params = settings.view(TrainParams, variant.set)
    run = VariantRun("train", name, seed, variant, params.adapters, params)
    learner = start(run, "sdpa", params.train.precision)
    tasks = {split: load_tasks(split, learner) for split in ("train", "valid")}
    checkpoint = run.checkpoint()
    with console.progress(f"train {name} {seed}", params.train.steps) as on_step:
        session = Session(checkpoint, on_step)
        trained = normal.run(learner, params, tasks, seed=seed, session=session)
    folder = save(run, learner, trained, tasks)
    checkpoint.delete()
    console.training_summary(folder, trained.progress.best_step, trained.progress.best_value)


if __name__ == "__main__":
    console.run(train)

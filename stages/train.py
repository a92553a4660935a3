"""DVC stage `train`: normal training of one variant (Section 4.2)."""

from pipeline import artifacts
from pipeline.learning.training import normal
from pipeline.learning.training.loop import Session
from pipeline.learning.training.variant_run import load_tasks, require_context_to_score, save, start
from pipeline.model.files.variant_record import OWN
from pipeline.params import TrainParams
from stages.shell import console
from stages.shell.arguments import Seed, VariantName
from stages.shell.progress.shown import progress
from stages.shell.variant_stage import refuse_edited_run, run_of, training_summary


@artifacts.one_at_a_time(artifacts.model_dir, OWN)
def train(name: VariantName, seed: Seed) -> None:
    """Train one variant on the replies of all training personas together."""
    run, params = run_of("train", name, seed, TrainParams)
    learner = start(run, "sdpa", params.train.precision)
    require_context_to_score(learner)
    tasks = {split: load_tasks(split, learner) for split in ("train", "valid")}
    checkpoint = run.checkpoint()
    with progress(f"train {name} {seed}", params.train.steps) as on_step:
        session = Session(checkpoint, on_step)
        trained = normal.run(learner, params, tasks, seed=seed, session=session)
    refuse_edited_run(run, params)
    folder = save(run, learner, trained, tasks)
    checkpoint.delete(folder)
    training_summary(folder, trained.progress)


if __name__ == "__main__":
    console.run(train)

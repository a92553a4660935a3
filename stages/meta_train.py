"""DVC stage `meta_train`: one variant by Algorithm 1 or 2, as its axes say."""

from pipeline import artifacts
from pipeline.learning.meta import train
from pipeline.learning.meta.over_ranks import SharedCheckpoint
from pipeline.learning.training.loop import Session
from pipeline.learning.training.variant_run import load_tasks, require_context_to_score, save, start
from pipeline.model.files.variant_record import OWN
from pipeline.model.network.language_model import Attention
from pipeline.params import MetaTrainParams
from pipeline.processes import ranks
from stages.shell import console
from stages.shell.arguments import Seed, VariantName
from stages.shell.launch import on_ranks
from stages.shell.progress.shown import progress
from stages.shell.variant_stage import refuse_edited_run, run_of, training_summary


@artifacts.one_at_a_time(artifacts.model_dir, OWN)
def meta_train(name: VariantName, seed: Seed) -> None:
    """Meta-train one variant: each training persona is a task."""
    run, params = run_of("meta_train", name, seed, MetaTrainParams)
    here = ranks.here()
    attention: Attention = "eager" if params.meta_gradient == "exact" else "sdpa"
    learner = start(run, attention, params.meta_train.precision)
    require_context_to_score(learner)
    tasks = {split: load_tasks(split, learner) for split in ("train", "valid")}
    checkpoint = SharedCheckpoint(run.checkpoint(), here)
    title = f"meta_train {name} {seed}"
    with progress(title, params.outer_steps, shown=here.first) as on_step:
        session = Session(checkpoint, on_step)
        trained, rates = train.run(learner, params, tasks, here, seed=seed, session=session)
    if here.first:
        refuse_edited_run(run, params)
        folder = save(run, learner, trained, tasks, rates)
        training_summary(folder, trained.progress)
    checkpoint.delete(artifacts.model_dir(name, seed))


if __name__ == "__main__":
    console.run(on_ranks(meta_train))

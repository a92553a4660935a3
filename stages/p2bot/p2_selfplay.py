"""DVC stage `p2_selfplay`: self-play of one variant, from its transmitter on."""

from dataclasses import replace
from typing import Any

from pipeline import artifacts
from pipeline.learning.p2bot.receiver.files import load_receiver, made_with
from pipeline.learning.p2bot.self_play import train
from pipeline.learning.task_loss.episodes import encode_tasks
from pipeline.learning.training.loop import Session
from pipeline.learning.training.variant_run import read_tasks, save, start
from pipeline.model.base.load import load_base
from pipeline.model.files.variant_record import (
    OWN,
    models_read,
    read_variant,
    refuse_other_inputs,
    refuse_other_theta,
)
from pipeline.model.network.learner import load_theta
from pipeline.params import SelfPlayParams
from stages.shell import console
from stages.shell.arguments import Seed, VariantName
from stages.shell.progress.shown import progress
from stages.shell.variant_stage import refuse_edited_run, run_of, training_summary


def checked_transmitter(name: str, seed: int) -> dict[str, Any]:
    """Return what a transmitter was trained with, of section `train`.

    Raises:
        ModelError: it was trained from another base or other tasks, or is damaged.
    """
    record = read_variant(name, seed, made_by=f"train {name} {seed}")
    refuse_other_inputs(record, tasks=True)
    refuse_other_theta(record, artifacts.model_dir(name, seed))
    return {key: value for key, value in record.made_with().items() if key == "train"}


@artifacts.one_at_a_time(artifacts.model_dir, OWN)
def p2_selfplay(name: VariantName, seed: Seed) -> None:
    """Let a trained transmitter talk with itself and learn from the rewards."""
    run, params = run_of("p2_selfplay", name, seed, SelfPlayParams)
    run = replace(run, inputs=models_read(name, seed))
    transmitter, judge = run.inputs["transmitter"], run.inputs["receiver"]
    learner = start(run, "sdpa", "float32")
    before = checked_transmitter(transmitter.parent.name, seed)
    learner = load_theta(learner, transmitter, made_by=f"train {transmitter.parent.name} {seed}")
    receiver = load_receiver(judge, load_base(artifacts.BASE), learner.device)
    run = run.made_after(before | made_with(judge))
    tasks = {split: read_tasks(split) for split in ("train", "valid")}
    encoded = {split: encode_tasks(tasks[split], learner.encoder) for split in tasks}
    game = train.game_of(learner, receiver, tasks["train"], params.self_play, seed)
    checkpoint = run.checkpoint()
    with progress(f"p2_selfplay {name} {seed}", params.self_play.steps) as on_step:
        trained = train.run(game, tasks["valid"], encoded, Session(checkpoint, on_step))
    refuse_edited_run(run, params)
    folder = save(run, learner, trained, encoded)
    checkpoint.delete(folder)
    training_summary(folder, trained.progress, "valid reward {:.4f}")


if __name__ == "__main__":
    console.run(p2_selfplay)

"""DVC stage `train`: normal training of one variant (Section 4.2)."""

from typing import Annotated

import typer

from pipeline.learning.data import distractors
from pipeline.learning.data.episodes import (
    EpisodeSize,
    reply_batch,
    validation_episodes,
    with_two_dialogues,
)
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.inner.inner_rates import InnerRates
from pipeline.learning.inner.validation import validate
from pipeline.learning.training import loop, normal
from pipeline.learning.training.history import adaptation
from pipeline.learning.training.run import Identity, load_tasks, save, start
from pipeline.params import Settings, TrainParams
from pipeline.params.methods import refuse_other_method
from stages.shell import console


def train(
    name: Annotated[str, typer.Argument(metavar="VARIANT", help="A key of variants.")],
    seed: Annotated[int, typer.Argument(help="Training seed.")],
) -> None:
    """Train one variant on the replies of all training personas together."""
    refuse_other_method("train", name, seed)
    settings = Settings.load()
    variant = settings.variant(name)
    params = settings.view(TrainParams, variant.set)
    identity = Identity("train", name, seed, variant, params.adapters, params)
    learner = start(identity, "sdpa", params.train.precision)
    tasks = {split: load_tasks(split, learner) for split in ("train", "valid")}
    dialogues = [dialogue for task in tasks["train"] for dialogue in task.dialogues]
    valid = validation_episodes(
        with_two_dialogues(tasks["valid"], "valid"),
        EpisodeSize(dialogues=1, replies=None, query_replies=None),
        draws=params.train.valid_episodes,
    )
    attach = distractors.drawn(variant.next_utterance, seed)
    probe = InnerLoop(InnerRates(list(learner.theta), params.train.probe_lr), 1, "first_order")
    checkpoint = identity.checkpoint()
    with console.progress(f"train {name} {seed}", params.train.steps) as on_step:
        trained = loop.run(
            learner.theta,
            lambda theta, step: normal.gradient(
                learner,
                theta,
                attach(
                    reply_batch(dialogues, size=params.train.batch_size, seed=seed, step=step), step
                ),
            ),
            lambda theta: adaptation(validate(learner, theta, valid, probe)),
            loop.Schedule(params.train.lr, params.train.steps, params.train, "valid_loss"),
            checkpoint=checkpoint,
            on_step=on_step,
        )
    folder = save(identity, learner, trained, tasks)
    checkpoint.delete()
    console.training_summary(folder, trained.progress.best_step, trained.progress.best_value)


if __name__ == "__main__":
    console.run(train)

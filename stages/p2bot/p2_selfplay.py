"""DVC stage `p2_selfplay`: self-play of one variant, from its transmitter on."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.learning.data import distractors
from pipeline.learning.data.episodes import encode_tasks, reply_batch
from pipeline.learning.p2bot.receiver.file import load_receiver
from pipeline.learning.p2bot.self_play import training
from pipeline.learning.p2bot.self_play.episode import Game
from pipeline.learning.p2bot.self_play.judges import Judges, head_of
from pipeline.learning.training import normal
from pipeline.learning.training.run import Identity, save, start
from pipeline.model.base.load import load_base
from pipeline.model.network.learner import load_theta
from pipeline.params import SelfPlayParams, Settings
from pipeline.params.methods import refuse_other_method
from pipeline.persona.task import PersonaTask
from stages.shell import console


def p2_selfplay(
    name: Annotated[str, typer.Argument(metavar="VARIANT", help="A key of variants.")],
    seed: Annotated[int, typer.Argument(help="Training seed.")],
) -> None:
    """Let a trained transmitter talk with itself and learn from the rewards."""
    refuse_other_method("p2_selfplay", name, seed)
    settings = Settings.load()
    variant = settings.variant(name)
    params = settings.view(SelfPlayParams, variant.set)
    folders = (artifacts.transmitter_dir(name, seed), artifacts.receiver_dir(seed))
    identity = Identity("p2_selfplay", name, seed, variant, params.adapters, params, folders)
    learner = start(identity, "sdpa", "float32")
    learner = load_theta(learner, folders[0], made_by=f"train {folders[0].parent.name} {seed}")
    receiver = load_receiver(folders[1], load_base(artifacts.BASE), learner.device)
    tasks = {
        split: artifacts.read_records(artifacts.tasks_file(split), PersonaTask, made_by="tasks")
        for split in ("train", "valid")
    }
    encoded = {split: encode_tasks(those, learner.encoder) for split, those in tasks.items()}
    dialogues = [dialogue for task in encoded["train"] for dialogue in task.dialogues]
    attach = distractors.drawn(variant.next_utterance, seed)
    judges = Judges(learner, receiver, head_of(learner), params.self_play)
    game = Game(learner, judges, tasks["train"], params.self_play, seed)
    checkpoint = identity.checkpoint()
    size = params.self_play.supervised_batch_size
    with console.progress(f"p2_selfplay {name} {seed}", params.self_play.steps) as on_step:
        trained = training.run(
            game,
            training.Validation(game, tasks["valid"], encoded["valid"]),
            lambda theta, step: normal.gradient(
                learner,
                theta,
                attach(reply_batch(dialogues, size=size, seed=seed, step=step), step),
            ),
            checkpoint=checkpoint,
            on_step=on_step,
        )
    folder = save(identity, learner, trained, encoded)
    checkpoint.delete()
    best = trained.progress
    console.out.print(
        f"{folder}: best at step {best.best_step}, valid reward {-best.best_value:.4f}"
    )


if __name__ == "__main__":
    console.run(p2_selfplay)

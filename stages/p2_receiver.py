"""DVC stage `p2_receiver`: training of P² Bot's receiver."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.learning import receiver_run, receiver_training
from pipeline.model.base import load_base
from pipeline.model.device import best_device, use_threads
from pipeline.model.receiver import build_receiver
from pipeline.params import ReceiverParams, Settings
from stages import console


def p2_receiver(seed: Annotated[int, typer.Argument(help="Training seed.")]) -> None:
    """Train the receiver to tell a speaker's persona sentences from a stranger's."""
    params = Settings.load().view(ReceiverParams)
    voices = receiver_run.load_voices()
    receiver = build_receiver(load_base(artifacts.BASE), best_device())
    use_threads(sum(value.numel() for value in receiver.theta.values()))
    checkpoint = receiver_run.checkpoint_of(params, seed)
    with console.progress(f"p2_receiver {seed}", params.receiver.steps) as on_step:
        trained = receiver_training.run(
            receiver, params.receiver, voices, seed=seed, checkpoint=checkpoint, on_step=on_step
        )
    folder = receiver_run.save(trained, voices, seed)
    checkpoint.delete()
    best = trained.progress
    console.out.print(
        f"{folder}: best at step {best.best_step}, valid Hits@1 {-best.best_value:.1f} %"
    )


if __name__ == "__main__":
    console.run(p2_receiver)

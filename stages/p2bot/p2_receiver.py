"""DVC stage `p2_receiver`: training of P² Bot's receiver."""

from pipeline import artifacts
from pipeline.learning.p2bot.meetings import unlearnable
from pipeline.learning.p2bot.receiver import files, train
from pipeline.learning.p2bot.receiver.network import build_receiver
from pipeline.learning.training.loop import Session
from pipeline.model.base.load import load_base
from pipeline.params import ReceiverParams, Settings
from pipeline.processes.device import best_device, use_threads
from stages.shell import console
from stages.shell.arguments import Seed
from stages.shell.in_force import refuse_edited
from stages.shell.progress.shown import progress
from stages.shell.variant_stage import training_summary


@artifacts.one_at_a_time(artifacts.receiver_dir, files.OWN)
def p2_receiver(seed: Seed) -> None:
    """Train the receiver to tell a speaker's persona sentences from a stranger's."""
    params = Settings.load().view(ReceiverParams)
    read = files.inputs()
    voices = files.load_voices()
    for split, of_split in voices.items():
        if reason := unlearnable(of_split):
            refuse_edited(params, Settings.load().view(ReceiverParams))
            folder = files.save_untrained(seed, reason)
            console.note(f"{folder}: nothing trained, {split} has {reason}")
            return
    receiver = build_receiver(load_base(artifacts.BASE), best_device())
    use_threads(sum(value.numel() for value in receiver.theta.values()))
    checkpoint = files.checkpoint_of(params, seed)
    with progress(f"p2_receiver {seed}", params.receiver.steps) as on_step:
        session = Session(checkpoint, on_step)
        trained = train.run(receiver, params.receiver, voices, seed=seed, session=session)
    refuse_edited(params, Settings.load().view(ReceiverParams))
    folder = files.save(trained, voices, seed, params, read)
    checkpoint.delete(folder)
    training_summary(folder, trained.progress, "valid Hits@1 {:.1f} %")


if __name__ == "__main__":
    console.run(p2_receiver)

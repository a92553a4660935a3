"""One training of the receiver from records to files, as `p2_receiver` runs it."""

from pathlib import Path

from pipeline import artifacts
from pipeline.learning.p2bot.meetings import Voice, voices
from pipeline.learning.p2bot.receiver.file import HISTORY, RECORD, TENSORS, ReceiverFile
from pipeline.learning.training.history import history_csv
from pipeline.learning.training.loop import Trained
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.model.files.tensors import write_tensors
from pipeline.params import ReceiverParams
from pipeline.persona.task import PersonaTask


def load_voices() -> dict[str, list[Voice]]:
    """Read the dialogues' own sides of splits train and valid."""
    return {
        split: voices(
            artifacts.read_records(artifacts.tasks_file(split), PersonaTask, made_by="tasks")
        )
        for split in ("train", "valid")
    }


def checkpoint_of(params: ReceiverParams, seed: int) -> Checkpoint:
    """Return the run's checkpoint, keyed by values, inputs and code."""
    parts = {str(path): artifacts.sha256_of(path) for path in (artifacts.TASKS, artifacts.BASE)}
    return Checkpoint(f"p2_receiver-{seed}", {"params": params.model_dump_json(), **parts})


def save(trained: Trained, those: dict[str, list[Voice]], seed: int) -> Path:
    """Write `models/p2_receiver/seed-SEED/` as a whole; return it."""
    progress = trained.progress
    record = ReceiverFile(
        seed=seed,
        steps=progress.step,
        best_step=progress.best_step,
        valid_hits_at_1=-progress.best_value,
        trained_parameters=sum(value.numel() for value in trained.theta.values()),
        dialogues={split: len(voices) for split, voices in those.items()},
        utterances=progress.replies,
    )
    folder = artifacts.receiver_dir(seed)
    with artifacts.atomic_path(folder) as partial:
        partial.mkdir()
        write_tensors(trained.theta, partial / TENSORS)
        artifacts.write_json(partial / RECORD, record.model_dump())
        artifacts.write_text(partial / HISTORY, history_csv(progress.history))
    return folder

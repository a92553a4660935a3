"""The receiver's files: the voices that training reads, `models/p2_receiver/seed-SEED/`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline import artifacts
from pipeline.errors import MissingFileError, ModelError, one_line
from pipeline.learning.p2bot.meetings import Voice, voices
from pipeline.learning.p2bot.receiver.network import Receiver, build_receiver
from pipeline.learning.training.history import history_csv
from pipeline.learning.training.loop import Trained
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.model.files.tensors import read_tensors, write_tensors
from pipeline.outs import RECEIVER, Snapshot, refuse_damaged, write_record
from pipeline.params import ReceiverParams
from pipeline.params.stated import recorded
from pipeline.persona.task.record import PersonaTask, Split


TENSORS = "receiver.safetensors"
RECORD = RECEIVER
HISTORY = "history.csv"
UNTRAINED = "untrained.json"  # instead of all others, where there is nothing to learn from
OWN = (TENSORS, RECORD, HISTORY, UNTRAINED)  # all that may be in its folder


class ReceiverFile(BaseModel):
    """The record of one training of the receiver; it holds no time, host or date."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seed: int
    steps: int  # run
    best_step: int  # the step whose parameters were kept
    valid_hits_at_1: float  # percent, of that step, among 1 own and the strangers' personas
    trained_parameters: int
    dialogues: dict[str, int]  # of each split that training read
    utterances: int  # in any loss
    base: str  # SHA-256 of models/base
    tasks: dict[Split, str]  # of the splits that training read
    receiver: str  # of receiver.safetensors
    # What the stage read of params.yaml, by key; absent from files of an older version.
    params: dict[str, Any] | None = None
    files: dict[str, str] | None = None  # SHA-256 of the files beside it


def inputs() -> Snapshot:
    """Return what training reads, as it is before it begins."""
    tasks = (artifacts.tasks_file(split) for split in ("train", "valid"))
    return Snapshot([artifacts.BASE, *tasks])


def load_voices() -> dict[Split, list[Voice]]:
    """Read the personas' own sides of the dialogues of splits train and valid."""
    splits: tuple[Split, ...] = ("train", "valid")
    return {
        split: voices(
            artifacts.read_records(artifacts.tasks_file(split), PersonaTask, made_by="tasks")
        )
        for split in splits
    }


def checkpoint_of(params: ReceiverParams, seed: int) -> Checkpoint:
    """Return the run's checkpoint, keyed by values, inputs and code."""
    parts = {str(path): artifacts.sha256_of(path) for path in (artifacts.TASKS, artifacts.BASE)}
    return Checkpoint(f"p2_receiver-{seed}", {"params": params.model_dump_json(), **parts})


def save(
    trained: Trained,
    voices_of: Mapping[Split, Sequence[Voice]],
    seed: int,
    params: ReceiverParams,
    read: Snapshot,
) -> Path:
    """Write `models/p2_receiver/seed-SEED/` as a whole; return the folder.

    Args:
        trained: the receiver's θ, and how it came about.
        voices_of: the voices of each split.
        seed: of the training.
        params: of the training.
        read: what `inputs` returned before the training.

    Raises:
        DataError: an input was replaced meanwhile.
    """
    folder = artifacts.receiver_dir(seed)
    artifacts.refuse_foreign(folder, own=OWN)
    read.refuse_changed()
    with artifacts.atomic_path(folder) as partial:
        partial.mkdir()
        write_tensors(trained.theta, partial / TENSORS)
        digest = artifacts.sha256_of(partial / TENSORS)
        record = _record(trained, voices_of, seed, digest, read)
        content = record.model_dump() | {"params": recorded(params)}
        artifacts.write_text(partial / HISTORY, history_csv(trained.progress.history))
        write_record(partial, RECORD, content)
    return folder


def save_untrained(seed: int, reason: str) -> Path:
    """Write a folder that says why there is no receiver, as `unlearnable` does."""
    folder = artifacts.receiver_dir(seed)
    artifacts.refuse_foreign(folder, own=OWN)
    with artifacts.atomic_path(folder) as partial:
        partial.mkdir()
        artifacts.write_json(partial / UNTRAINED, {"reason": reason, "seed": seed})
    return folder


def _record(
    trained: Trained,
    voices_of: Mapping[Split, Sequence[Voice]],
    seed: int,
    digest: str,
    read: Snapshot,
) -> ReceiverFile:
    progress = trained.progress
    return ReceiverFile(
        seed=seed,
        steps=progress.step,
        best_step=progress.best_step,
        valid_hits_at_1=progress.best_value,
        trained_parameters=sum(value.numel() for value in trained.theta.values()),
        dialogues={split: len(voices) for split, voices in voices_of.items()},
        utterances=progress.replies,
        base=read.digests[artifacts.BASE],
        tasks={split: read.digests[artifacts.tasks_file(split)] for split in voices_of},
        receiver=digest,
    )


def load_receiver(folder: Path, base: tuple[Any, Any], device: torch.device) -> Receiver:
    """Load the receiver that stage `p2_receiver` has left in `folder`.

    Raises:
        MissingFileError: it was not trained.
        ModelError: the file is corrupt, or its tensors are not of this base; or the tasks have no
            persona sentences that it could learn from.
    """
    made_by = f"p2_receiver {folder.name.removeprefix('seed-')}"
    path = folder / TENSORS
    if (folder / UNTRAINED).is_file():
        said = artifacts.read_json(folder / UNTRAINED, made_by=made_by)
        raise ModelError(
            f"{folder}: no receiver, because train or valid has {one_line(said.get('reason'))}; "
            "P² Bot needs them: take its variants out of self_played and scored, or give the "
            "corpus personas"
        )
    if not path.is_file():
        raise MissingFileError(path, made_by)
    _refuse_other(folder, made_by)
    tensors = read_tensors(path, remedy=f"run stage {made_by} again", device=device)
    receiver = build_receiver(base, device)
    shapes = {name: value.shape for name, value in receiver.theta.items()}
    if {name: value.shape for name, value in tensors.items()} != shapes:
        raise ModelError(f"{path}: other tensors than this base's; run stage {made_by} again")
    receiver.theta = {name: tensors[name] for name in receiver.theta}
    return receiver


def made_with(folder: Path) -> dict[str, Any]:
    """Return the parameters that made a receiver, by key; none of an older version's."""
    made_by = f"p2_receiver {folder.name.removeprefix('seed-')}"
    values = artifacts.read_json(folder / RECORD, made_by=made_by)
    return ReceiverFile.model_validate(values).params or {}


def _refuse_other(folder: Path, made_by: str) -> None:
    """Refuse a receiver of another base or other tasks, or tensors that are not its record's."""
    path = folder / RECORD
    try:
        record = ReceiverFile.model_validate(artifacts.read_json(path, made_by=made_by))
    except ValidationError as error:
        raise ModelError(
            f"{path}: not a {RECORD} of this version; run stage {made_by} again"
        ) from error
    for place in (folder, artifacts.BASE, artifacts.TASKS):
        refuse_damaged(place)
    said = {artifacts.BASE: record.base, folder / TENSORS: record.receiver}
    said |= {artifacts.tasks_file(split): digest for split, digest in record.tasks.items()}
    for place, then in said.items():
        if (now := artifacts.sha256_of(place)) != then:
            raise ModelError(
                f"{path}: made with a {place} of SHA-256 {one_line(then)[:12]}…, now it is "
                f"{now[:12]}…; run `python -m stages.{made_by}` (or `dvc repro`)"
            )

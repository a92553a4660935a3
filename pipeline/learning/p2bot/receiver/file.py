"""`models/p2_receiver/seed-SEED/`: the trained receiver on disk."""

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from pipeline.errors import MissingFileError, ModelError
from pipeline.learning.p2bot.receiver.network import Receiver, build_receiver
from pipeline.model.files.tensors import read_tensors


TENSORS = "receiver.safetensors"
RECORD = "receiver.json"
HISTORY = "history.csv"


class ReceiverFile(BaseModel):
    """What one training of the receiver was; no time, host or date."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seed: int
    steps: int  # run
    best_step: int  # the step whose parameters were kept
    valid_hits_at_1: float  # percent, of that step, among 1 own and the strangers' personas
    trained_parameters: int
    dialogues: dict[str, int]  # of each split that training read
    utterances: int  # in any loss


def load_receiver(folder: Path, base: tuple[Any, Any], device: torch.device) -> Receiver:
    """Load what stage `p2_receiver` left in `folder`.

    Raises:
        MissingFileError: it was not trained.
        ModelError: the file is corrupt, or the tensors there are not of this base.
    """
    made_by = f"p2_receiver {folder.name.removeprefix('seed-')}"
    path = folder / TENSORS
    if not path.is_file():
        raise MissingFileError(path, made_by)
    found = read_tensors(path, remedy=f"run stage {made_by} again", device=device)
    receiver = build_receiver(base, device)
    shapes = {name: value.shape for name, value in receiver.theta.items()}
    if {name: value.shape for name, value in found.items()} != shapes:
        raise ModelError(f"{path}: other tensors than this base's; run stage {made_by} again")
    receiver.theta = {name: found[name] for name in receiver.theta}
    return receiver

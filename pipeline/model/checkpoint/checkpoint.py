"""The checkpoint of a long stage: one safetensors file outside the outs.

The file holds a SHA-256 of its content, and the save before it is kept beside it: what the disk or
anybody else has changed is never resumed. The file's name holds a hash of parameters, inputs and
code. So a checkpoint of other parameters, inputs or code is never resumed by mistake. The folder
`.checkpoints` may be deleted at any time: that costs time, never a result.

A training loop resumes, saves and cleans up like this::

    checkpoint = Checkpoint("train-transfer-0", {"params": params_json, "tasks": sha256})
    step = 0
    if (saved := checkpoint.load()) is not None:
        tensors, state = saved
        theta.load_state_dict(strip_prefix(tensors, "theta."))
        restore_optimizer(optimizer, tensors, state["optimizer"])
        step = state["step"]
    for step in range(step, steps):
        ...
        if checkpoint.due():
            tensors, optimizer_state = flatten_optimizer(optimizer)
            tensors |= add_prefix(theta.state_dict(), "theta.")
            checkpoint.save(tensors, {"step": step + 1, "optimizer": optimizer_state})
    # ... write the out atomically, then:
    checkpoint.delete(out)
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.optim import Optimizer

from pipeline import artifacts, recording
from pipeline.errors import ModelError, one_line
from pipeline.locks import Slot
from pipeline.model.files.tensors import write_tensors
from pipeline.processes.fingerprint import fingerprint
from pipeline.processes.ranks import here


_LOG = logging.getLogger(__name__)  # the shell shows it as a note
_OPTIMIZER = "optimizer."
_ENDINGS = (".safetensors", ".before.safetensors")

Tensors = dict[str, Tensor]
State = dict[str, Any]  # values that JSON can hold


class Checkpoint:
    """The one checkpoint of a stage's run.

    `path` is `.checkpoints/STAGE-FINGERPRINT.safetensors`. It lies in the folder that DVC names as
    its root, which is the main repository even while an experiment runs in a temporary copy.
    Without DVC it lies in the working directory. While another run has that file, which is the
    same experiment twice, the name has a number before its ending (`pipeline/locks.py`).

    Args:
        stage: the stage with its items, if it has any, e.g. `train-transfer-0`.
        parts: what determines the run besides the code: the stage's parameters as JSON, the
            SHA-256 of its inputs. Their order does not matter.
        interval: seconds between two saves, for `due`.
    """

    def __init__(self, stage: str, parts: Mapping[str, str], *, interval: float = 30.0) -> None:
        root = Path(os.environ.get("DVC_ROOT", ""))
        self.parts = parts
        self._slot = Slot(root / artifacts.CHECKPOINTS, f"{stage}-{fingerprint(parts)}", _ENDINGS)
        self._whole = True  # whether `path`, if it is there, was written or read without a fault
        self._interval = interval
        self._last = time.monotonic()

    @property
    def path(self) -> Path:
        """The last save."""
        return self._slot.files[0]

    @property
    def before(self) -> Path:
        """The save before the last."""
        return self._slot.files[1]

    def due(self) -> bool:
        """Tell whether `interval` has passed since the last save. Resuming is exact at any time."""
        return time.monotonic() - self._last >= self._interval

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint atomically.

        Args:
            tensors: on any device.
            state: values that JSON can hold.
        """
        # Tied parameters share memory, which the file format refuses.
        own = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
        text = json.dumps(state, sort_keys=True)
        metadata = {"state": text, "sha256": _digest(own, text)}
        with artifacts.atomic_path(self.path) as partial:
            write_tensors(own, partial, metadata)
            if self._whole and self.path.is_file():
                self.path.replace(self.before)
        self._whole = True
        self._last = time.monotonic()

    def load(self) -> tuple[Tensors, State] | None:
        """Return the tensors and the state of the last save, on the CPU; None without a checkpoint.

        If the last save is damaged, the one before it is taken, and a warning says so. Of several
        ranks on a machine one reads it.

        Raises:
            ModelError: neither can be read. They are removed first, so the same command then
                starts from the beginning. The error says so, because that costs time.
        """
        if self._slot.shared or self._slot.empty:
            return None
        recording.go_on_from(self._slot.files)
        damage: list[str] = []
        cause: Exception | None = None
        for path in (self.path, self.before):
            if not path.is_file():
                continue
            try:
                saved = _read(path)
            except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
                damage.append(f"{path}: damaged checkpoint ({one_line(error)})")
                cause, self._whole = error, False
                continue
            if damage and here().first:
                _LOG.warning("%s; the one saved before it is used", damage[0])
            return saved
        if not damage:
            return None
        self._slot.delete()
        raise ModelError(
            f"{damage[0]}; it was removed, run the same command again to start from the beginning"
        ) from cause

    def delete(self, *outs: Path) -> None:
        """Remove it once the outs are written; with DVC, once it has them (`recording.py`)."""
        self._slot.delete(lambda files: recording.spare(files, outs))


def _read(path: Path) -> tuple[Tensors, State]:
    """Read one file. Raises ValueError if its content is not what was saved."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if _digest(tensors, metadata["state"]) != metadata["sha256"]:
        raise ValueError("its content is not what was saved")
    return tensors, json.loads(metadata["state"])


def _digest(tensors: Mapping[str, Tensor], state: str) -> str:
    """Return the SHA-256 of the state and of every tensor's name, type, shape and bytes."""
    digest = sha256(state.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def refuse_other_tensors(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse a checkpoint's tensors unless names, shapes and types are as expected.

    Raises:
        ModelError: names the first that differs.
    """
    layouts = [
        {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in one.items()}
        for one in (tensors, expected)
    ]
    for name in sorted(layouts[0].keys() | layouts[1].keys()):
        saved, own = (layout.get(name) for layout in layouts)
        if saved != own:
            raise ModelError(
                f"checkpoint of another run: {one_line(name)} is {saved}, expected {own}; "
                "delete .checkpoints and run again"
            )


def flatten_optimizer(optimizer: Optimizer) -> tuple[Tensors, State]:
    """Split an optimizer's state into named tensors and JSON values.

    It works for Adam and AdamW: every entry of a parameter's state is a tensor, and every option of
    a group is a number, a flag, null or a tuple of numbers.

    Returns:
        Tensors named `optimizer.INDEX.ENTRY`, and the groups' options for `restore_optimizer`.
    """
    saved = optimizer.state_dict()
    tensors = {
        f"{_OPTIMIZER}{index}.{entry}": tensor
        for index, entries in saved["state"].items()
        for entry, tensor in entries.items()
    }
    return tensors, {"groups": saved["param_groups"]}


def restore_optimizer(
    optimizer: Optimizer, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> None:
    """Restore what `flatten_optimizer` returned. Other names in `tensors` are ignored.

    Raises:
        ModelError: the optimizer's parameters or groups differ from the saved ones.
    """
    own = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    entries: dict[int, Tensors] = {}
    for name, tensor in strip_prefix(tensors, _OPTIMIZER).items():
        index, entry = name.split(".", 1)
        entries.setdefault(int(index), {})[entry] = tensor
    groups = [
        {key: tuple(value) if key == "betas" else value for key, value in group.items()}
        for group in state["groups"]
    ]
    shapes = {
        index: {tuple(tensor.shape) for tensor in of_one.values() if tensor.ndim}
        for index, of_one in entries.items()
    }
    expected = {index: {tuple(own[index].shape)} - {()} for index in entries if index < len(own)}
    if shapes != expected:
        raise ModelError(
            "checkpoint of another optimizer (other shapes); delete .checkpoints and run again"
        )
    try:
        optimizer.load_state_dict({"state": entries, "param_groups": groups})
    except ValueError as error:
        raise ModelError(
            f"checkpoint of another optimizer ({error}); delete .checkpoints and run again"
        ) from error


def add_prefix(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Put `prefix` before every tensor's name."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Keep the tensors whose name starts with `prefix`, and take the prefix off."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

"""Checkpoints of long stages: one safetensors file outside the outs, keyed by what determines it.

A checkpoint of other parameters, inputs or code has another name, so it is never resumed by
mistake. Deleting the folder `.checkpoints` is always safe: it costs time, never a result.

A training loop resumes, saves and cleans up like this::

    checkpoint = Checkpoint("train-transfer-0", {"params": params_json, "tasks": sha256})
    step = 0
    if (found := checkpoint.load()) is not None:
        tensors, state = found
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
    checkpoint.delete()
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.optim import Optimizer

from pipeline import artifacts
from pipeline.errors import ModelError
from pipeline.model.files.tensors import write_tensors
from pipeline.processes.fingerprint import fingerprint


_OPTIMIZER = "optimizer."

Tensors = dict[str, Tensor]
State = dict[str, Any]  # what JSON can hold


class Checkpoint:
    """The one checkpoint of a run of a stage.

    Args:
        stage: the stage and, where it has them, its items, e.g. `train-transfer-0`.
        parts: what determines the run besides the code: the stage's parameters as JSON, the
            SHA-256 of its inputs. Order does not matter.
        interval: seconds from one save to the next, for `due`.

    `path` is `.checkpoints/STAGE-FINGERPRINT.safetensors` in the folder that DVC names as its
    root (the main repository, also while an experiment runs in a temporary copy), else in the
    working directory.
    """

    def __init__(self, stage: str, parts: Mapping[str, str], *, interval: float = 30.0) -> None:
        root = Path(os.environ.get("DVC_ROOT", ""))
        name = f"{stage}-{fingerprint(parts)}.safetensors"
        self.path = root / artifacts.CHECKPOINTS / name
        self._interval = interval
        self._last = time.monotonic()

    def due(self) -> bool:
        """Tell whether it is time to save again. When is no matter: resuming is exact."""
        return time.monotonic() - self._last >= self._interval

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint atomically by `tensors` (any device) and JSON-able `state`."""
        metadata = {"state": json.dumps(state, sort_keys=True)}
        with artifacts.atomic_path(self.path) as partial:
            # Tied parameters share memory, which the file format refuses.
            write_tensors({n: t.detach().clone() for n, t in tensors.items()}, partial, metadata)
        self._last = time.monotonic()

    def load(self) -> tuple[Tensors, State] | None:
        """Return what was saved last, on the CPU; None if there is no checkpoint.

        Raises:
            ModelError: the file cannot be read. It is removed first, so that the same command
                then starts from the beginning: that costs time and is the user's to know.
        """
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                state = json.loads(file.metadata()["state"])
                return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            self.delete()
            raise ModelError(
                f"{self.path}: damaged checkpoint ({error}); it was removed, "
                "run the same command again to start from the beginning"
            ) from error

    def delete(self) -> None:
        """Remove the checkpoint, if there is one: the out is written."""
        self.path.unlink(missing_ok=True)


def flatten_optimizer(optimizer: Optimizer) -> tuple[Tensors, State]:
    """Split an optimizer's state into named tensors and JSON.

    Written for Adam and AdamW: every entry of a parameter's state is a tensor, every option of a
    group is a number, a flag, null or a tuple of numbers.

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
    """Put back what `flatten_optimizer` returned; other names in `tensors` are left alone.

    Raises:
        ModelError: the optimizer has other parameters or groups than the saved one.
    """
    entries: dict[int, Tensors] = {}
    for name, tensor in strip_prefix(tensors, _OPTIMIZER).items():
        index, entry = name.split(".", 1)
        entries.setdefault(int(index), {})[entry] = tensor
    groups = [
        {key: tuple(value) if key == "betas" else value for key, value in group.items()}
        for group in state["groups"]
    ]
    try:
        optimizer.load_state_dict({"state": entries, "param_groups": groups})
    except ValueError as error:
        raise ModelError(f"checkpoint of another optimizer: {error}") from error


def add_prefix(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Rename every tensor to `prefix` + its name."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Keep the tensors whose name starts with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

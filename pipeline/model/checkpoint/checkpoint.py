"""The checkpoint of a long stage: one safetensors file outside the outs.

The file's name holds a hash of parameters, inputs and code. So a checkpoint of other parameters,
inputs or code is never resumed by mistake. The folder `.checkpoints` may be deleted at any time:
that costs time, never a result.

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
State = dict[str, Any]  # values that JSON can hold


class Checkpoint:
    """The one checkpoint of a stage's run.

    `path` is `.checkpoints/STAGE-FINGERPRINT.safetensors`. It lies in the folder that DVC names as
    its root, which is the main repository even while an experiment runs in a temporary copy.
    Without DVC it lies in the working directory.

    Args:
        stage: the stage with its items, if it has any, e.g. `train-transfer-0`.
        parts: what determines the run besides the code: the stage's parameters as JSON, the
            SHA-256 of its inputs. Their order does not matter.
        interval: seconds between two saves, for `due`.
    """

    def __init__(self, stage: str, parts: Mapping[str, str], *, interval: float = 30.0) -> None:
        root = Path(os.environ.get("DVC_ROOT", ""))
        name = f"{stage}-{fingerprint(parts)}.safetensors"
        self.path = root / artifacts.CHECKPOINTS / name
        self._interval = interval
        self._last = time.monotonic()

    def due(self) -> bool:
        """Tell whether `interval` has passed since the last save. Resuming is exact at any time."""
        return time.monotonic() - self._last >= self._interval

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint atomically.

        Args:
            tensors: on any device.
            state: values that JSON can hold.
        """
        metadata = {"state": json.dumps(state, sort_keys=True)}
        with artifacts.atomic_path(self.path) as partial:
            # Tied parameters share memory, which the file format refuses.
            write_tensors({n: t.detach().clone() for n, t in tensors.items()}, partial, metadata)
        self._last = time.monotonic()

    def load(self) -> tuple[Tensors, State] | None:
        """Return the tensors and the state of the last save, on the CPU; None without a checkpoint.

        Raises:
            ModelError: the file cannot be read. It is removed first, so the same command then
                starts from the beginning. The error says so, because that costs time.
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
        """Remove the checkpoint, if there is one. Call it once the out is written."""
        self.path.unlink(missing_ok=True)


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
        raise ModelError(
            f"checkpoint of another optimizer ({error}); delete .checkpoints and run again"
        ) from error


def add_prefix(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Put `prefix` before every tensor's name."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Keep the tensors whose name starts with `prefix`, and take the prefix off."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

"""Φ in files that other libraries read: LoRA and (IA)³ as PEFT keeps them, bottlenecks as ours.

PEFT has no bottlenecks. Theirs is a safetensors file with the modules' full names, which
`shipped/bottlenecks.py` hooks into a plain model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers.pytorch_utils import Conv1D

from pipeline import artifacts
from pipeline.model.base.architecture import linear_layers, trunk_of
from pipeline.model.export.plain_model import name_of
from pipeline.model.files.tensors import write_tensors
from pipeline.params import Adapters


BASE_FOLDER = "base"  # of an export with Φ: φ with the special tokens' rows as they were trained
ADAPTER_FOLDER = "adapter"
BOTTLENECKS_FILE = "bottlenecks.safetensors"
_PEFT = "base_model.model."  # what PEFT puts before every name


def write_adapter(phi: Mapping[str, Tensor], model: Any, adapters: Adapters, folder: Path) -> None:
    """Write Φ into a new folder.

    Args:
        phi: by names in the trunk.
        model: the plain model that Φ goes on.
        adapters: kind, size and place.
        folder: created.
    """
    folder.mkdir()
    trunk = name_of(model, trunk_of(model))
    named = {f"{trunk}.{name}": value for name, value in phi.items()}
    if adapters.kind == "bottleneck":
        write_tensors(named, folder / BOTTLENECKS_FILE, {"format": "pt"})
        return
    tensors = {f"{_PEFT}{name}": value for name, value in named.items()}
    write_tensors(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    artifacts.write_json(folder / "adapter_config.json", _peft_config(phi, model, adapters))


def _peft_config(phi: Mapping[str, Tensor], model: Any, adapters: Adapters) -> dict[str, Any]:
    trunk = name_of(model, trunk_of(model))
    layers = dict(linear_layers(trunk_of(model)))
    modules = list(
        dict.fromkeys(name.partition(".lora_")[0].removesuffix(".ia3_l") for name in phi)
    )
    config: dict[str, Any] = {
        "base_model_name_or_path": BASE_FOLDER,
        "fan_in_fan_out": isinstance(layers[modules[0]], Conv1D),
        "inference_mode": True,
        "target_modules": [f"{trunk}.{name}" for name in modules],
        "task_type": "CAUSAL_LM",
    }
    if adapters.kind == "lora":
        alpha = {"r": adapters.rank, "lora_alpha": adapters.alpha, "lora_dropout": 0.0}
        return config | alpha | {"bias": "none", "peft_type": "LORA"}
    before = [f"{trunk}.{name}" for name in modules if phi[f"{name}.ia3_l"].shape[0] == 1]
    return config | {"feedforward_modules": before, "peft_type": "IA3"}

"""Read and write a GPT-2 as a Hugging Face folder: config.json and safetensors.

Pickled weights are never read.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from pipeline import artifacts
from pipeline.errors import ModelError
from pipeline.model.files.tensors import read_tensors, write_tensors


CONFIG = "config.json"
WEIGHTS = "model.safetensors"

_HEAD = "lm_head.weight"  # tied to the embedding
_PREFIX = "transformer."
_MASKS = (".attn.bias", ".attn.masked_bias")  # constants in files of older versions
_UNSTABLE = ("transformers_version", "_name_or_path", "dtype")  # say who wrote, not what


def read_gpt2(folder: Path) -> GPT2LMHeadModel:
    """Read a GPT-2 in float32, in eval mode, on the CPU.

    Raises:
        ModelError: a file is missing or corrupt, the weights are pickled, or the model is not a
            GPT-2 with a tied output projection.
    """
    config = _read_config(folder)
    tensors = _read_weights(folder)
    with torch.random.fork_rng(devices=[]):  # the weights overwrite the initial values
        model = GPT2LMHeadModel(config)
    _put(tensors, model, folder)
    return model.eval()


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files that hold a folder's weights, sorted by name.

    Raises:
        ModelError: a file is missing, or the weights are only pickled.
    """
    index = folder / f"{WEIGHTS}.index.json"
    files = [folder / WEIGHTS]
    if index.is_file():
        names = _read_json(index).get("weight_map")
        if not isinstance(names, dict) or any(Path(str(n)).name != n for n in names.values()):
            raise ModelError(
                f"{index}: `weight_map` must name files of this folder; fetch it again"
            )
        files = [folder / name for name in sorted(set(names.values()))]
    missing = [path for path in files if not path.is_file()]
    if missing and list(folder.glob("*.bin")):
        raise ModelError(
            f"{folder}: only pickled weights (.bin), which are never read; "
            f"convert them to {WEIGHTS}, or give a folder or revision with that file"
        )
    if missing:
        raise ModelError(f"{missing[0]}: not found; a GPT-2 folder with safetensors is needed")
    return files


def write_gpt2(model: GPT2LMHeadModel, folder: Path) -> None:
    """Write config.json and model.safetensors into `folder`. Equal models give equal bytes."""
    config = {k: v for k, v in model.config.to_dict().items() if k not in _UNSTABLE}
    config["architectures"] = [type(model).__name__]
    artifacts.write_json(folder / CONFIG, config)
    tensors = {name: tensor for name, tensor in model.state_dict().items() if name != _HEAD}
    write_tensors(tensors, folder / WEIGHTS, {"format": "pt"})


def _read_config(folder: Path) -> GPT2Config:
    path = folder / CONFIG
    if not path.is_file():
        raise ModelError(f"{path}: not found; a Hugging Face folder of a GPT-2 is needed")
    values = _read_json(path)
    kind = values.get("model_type")
    if kind != "gpt2":
        raise ModelError(f"{path}: model_type is {kind!r}; only GPT-2 (`gpt2`) can be the base")
    if values.get("tie_word_embeddings") is False:
        raise ModelError(
            f"{path}: tie_word_embeddings is false; a GPT-2 with tied embeddings is needed"
        )
    try:
        return GPT2Config.from_dict({k: v for k, v in values.items() if k not in _UNSTABLE})
    except Exception as error:  # the configuration class raises errors of its own
        raise ModelError(f"{path}: not a configuration of a GPT-2: {error}") from error


def _read_weights(folder: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder):
        tensors |= read_tensors(path, remedy="fetch or make it again")
    return tensors


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not JSON ({error}); fetch or make it again") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path}: not a JSON object; fetch or make it again")
    return values


def _put(tensors: dict[str, Tensor], model: GPT2LMHeadModel, folder: Path) -> None:
    """Copy the files' tensors into the model. The hub's GPT-2 names them without `transformer.`.

    Raises:
        ModelError: a tensor is missing, is too many, or has another shape than config.json says.
    """
    named = {
        name if name.startswith((_PREFIX, "lm_head.")) else _PREFIX + name: tensor
        for name, tensor in tensors.items()
        if not name.endswith(_MASKS)
    }
    named.pop(_HEAD, None)
    expected = {n: tuple(t.shape) for n, t in model.state_dict().items() if n != _HEAD}
    shapes = {name: tuple(tensor.shape) for name, tensor in named.items()}
    differing = sorted(dict(expected.items() ^ shapes.items()))
    if differing:
        name = differing[0]
        raise ModelError(
            f"{folder}: {name} has shape {shapes.get(name, 'none')} in the weights and "
            f"{expected.get(name, 'none')} by config.json ({len(differing)} such tensors); "
            "weights and configuration of one GPT-2 language model are needed"
        )
    model.load_state_dict(named, strict=False)

"""The weights of a folder as safetensors: which files, which tensors, under which names."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming, rename_source_key

from pipeline.errors import ModelError, one_line
from pipeline.model.base.configuration import read_json


WEIGHTS = "model.safetensors"
_SUFFIX = ".safetensors"
_PICKLED = (".bin", ".pt", ".pth")

_FLOATS = ("F64", "F32", "F16", "BF16")
# Constants in files of older versions, besides those that the model's class names itself.
_CONSTANTS = r"(^|\.)(attn|attention)\.(bias|masked_bias)$|\.rotary_emb\.inv_freq$"
# The second head of a double-heads checkpoint, which a language model has no place for.
_OTHER_HEADS = r"^multiple_choice_head\."


@dataclass(frozen=True)
class Stored:
    """A tensor in a file, not yet read."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: str  # safetensors' name


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files that hold a folder's weights, sorted by name.

    Of a whole file beside an index of shards the whole file is taken, as `transformers` does.

    Raises:
        ModelError: a file is missing, or the weights are only pickled.
    """
    files = [folder / name for name in sorted(set(_weight_map(folder).values()))]
    files = files or [folder / WEIGHTS]
    missing = [path for path in files if not path.is_file()]
    pickled = sorted({p.suffix for p in folder.glob("*") if p.suffix in _PICKLED})
    if missing and pickled:
        raise ModelError(
            f"{folder}: only pickled weights ({', '.join(pickled)}), which are never read; "
            f"convert them to {WEIGHTS}, or give a folder or revision with that file"
        )
    if missing:
        raise ModelError(f"{missing[0]}: not found; a folder with safetensors is needed")
    return files


def _weight_map(folder: Path) -> dict[str, str]:
    """Return which shard holds which tensor; nothing if there is one file, or no index."""
    index = folder / f"{WEIGHTS}.index.json"
    if (folder / WEIGHTS).is_file() or not index.is_file():
        return {}
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(map(_is_shard, shards.values())):
        raise ModelError(
            f"{index}: `weight_map` must name {_SUFFIX} files of this folder; fetch it again"
        )
    return shards


def stored_tensors(folder: Path) -> list[Stored]:
    """Return what the folder's files hold, from their headers alone.

    Raises:
        ModelError: a file is missing or corrupt, or holds a tensor that the index names in another.
    """
    tensors = []
    shards = _weight_map(folder)
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for name in sorted(file.keys()):
                    part = file.get_slice(name)
                    shape = tuple(part.get_shape())
                    tensors.append(Stored(path, name, shape, part.get_dtype()))
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{path}: corrupt ({one_line(error)}); fetch or make it again"
            ) from error
    for each in tensors:
        if (shard := shards.get(each.name, each.path.name)) != each.path.name:
            raise ModelError(
                f"{each.path}: holds {one_line(each.name, 80)}, which `weight_map` of the index "
                f"says is in {one_line(shard, 80)}; which is meant is not known, fetch it again"
            )
    return tensors


def named_for(model: Any, tensors: list[Stored]) -> tuple[dict[str, Stored], list[str]]:
    """Name stored tensors as the model does, as `transformers` names them on loading.

    A file may have or lack the prefix of the trunk. It may hold a tied table under the name of the
    embedding, of the head, or both. Constants of older versions are passed over.

    Args:
        model: the model, on any device.
        tensors: what the files hold.

    Returns:
        The tensors by the model's names, the tied head left out; and the names of another head's
        tensors, which are left out.

    Raises:
        ModelError: a tensor is missing, is too many, is there twice, is no float, or has another
            shape than config.json says.
    """
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    head, table = tied_names(model)
    renamings = [m for m in get_model_conversion_mapping(model) if isinstance(m, WeightRenaming)]
    named: dict[str, Stored] = {}
    others = []
    for stored in tensors:
        current, _ = rename_source_key(stored.name, renamings, [])  # names of older versions
        name = _model_name(current, model.base_model_prefix, expected)
        if re.search(_OTHER_HEADS, stored.name):
            others.append(stored.name)
        elif name in named:
            raise _twice(name, named[name], stored)
        elif name in expected or not _is_constant(stored.name, model):
            named[name] = stored
    if head is not None and head in named:
        named.setdefault(table, named[head])
        _require_equal(named.pop(head), named[table])
    expected.pop(head, None)
    _compare(expected, named)
    return named, sorted(others)


def tied_names(model: Any) -> tuple[str | None, str]:
    """Return the name of a head that is tied to the embedding, else null; and the embedding's."""
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    every = [n for n, v in model.named_parameters(remove_duplicate=False) if v is table]
    return (every[1] if head is table else None), every[0]  # the trunk is named first


def read_stored(tensors: Mapping[str, Stored]) -> Iterator[tuple[str, Tensor]]:
    """Yield tensors one by one, in float32.

    Raises:
        ModelError: a value is not finite.
    """
    for name, stored in tensors.items():
        with safe_open(stored.path, framework="pt") as file:
            value = file.get_tensor(stored.name).to(torch.float32)
        if not torch.isfinite(value).all():
            raise ModelError(
                f"{stored.path}: {stored.name} holds NaN or infinity; fetch or make it again"
            )
        yield name, value


def _is_shard(name: object) -> bool:
    return isinstance(name, str) and Path(name).name == name and Path(name).suffix == _SUFFIX


def _model_name(name: str, prefix: str, expected: Mapping[str, Any]) -> str:
    """Return the model's name of a stored tensor: with the trunk's prefix, or without."""
    candidates = (name, f"{prefix}.{name}", name.removeprefix(f"{prefix}."))
    return next((each for each in candidates if each in expected), name)


def _is_constant(name: str, model: Any) -> bool:
    ignored = getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ()
    return any(re.search(pattern, name) for pattern in (_CONSTANTS, *ignored))


def _twice(name: str, one: Stored, other: Stored) -> ModelError:
    where = " and ".join(f"{one_line(s.name, 80)} in {s.path.name}" for s in (one, other))
    return ModelError(
        f"{one.path.parent}: {where} are both the model's {one_line(name, 80)}; one value of each "
        "tensor is needed, delete the other"
    )


def _require_equal(head: Stored, table: Stored) -> None:
    """Refuse a tied head that is stored with other values than its table."""
    if head == table or head.shape != table.shape:
        return  # a wrong shape is named later
    (_, a), (_, b) = read_stored({"head": head, "table": table})
    if not torch.equal(a, b):
        raise ModelError(
            f"{head.path}: {head.name} and {table.name} differ, but config.json ties them; set "
            "tie_word_embeddings to false there if the head is its own"
        )


def _compare(expected: Mapping[str, tuple[int, ...]], named: Mapping[str, Stored]) -> None:
    for stored in named.values():
        if stored.dtype not in _FLOATS:
            raise ModelError(
                f"{stored.path}: {stored.name} is {stored.dtype}, no float; give float weights"
            )
    shapes = {name: stored.shape for name, stored in named.items()}
    differing = sorted({name for name, _ in expected.items() ^ shapes.items()})
    if not differing:
        return
    name = differing[0]
    where = next(iter(named.values())).path.parent if named else "the folder"
    raise ModelError(
        f"{where}: {name} has shape {shapes.get(name, 'none')} in the weights and "
        f"{expected.get(name, 'none')} by config.json ({len(differing)} such tensors); "
        "weights and configuration of one causal language model are needed"
    )

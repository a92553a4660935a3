"""Read and write a causal language model as a Hugging Face folder: config.json and safetensors.

Pickled weights are never read, and no code of a stranger is run.
"""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.initialization import no_init_weights

from pipeline.errors import ModelError, one_line
from pipeline.model.base.configuration import CONFIG, read_config, write_config
from pipeline.model.base.weights import (
    WEIGHTS,
    named_for,
    read_stored,
    stored_tensors,
    tied_names,
)
from pipeline.model.files.tensors import write_tensors


_MOST_CONSTANTS = 2 << 30  # bytes of buffers; a GPT-J of 28 layers has 15 MiB


def read_model(folder: Path) -> tuple[Any, list[str]]:
    """Read a causal language model in float32, in eval mode, on the CPU.

    The headers of the weights are compared with the configuration before anything is allocated.

    Returns:
        The model; and the names of tensors of another head, which are left out.

    Raises:
        ModelError: a file is missing or corrupt, the weights are pickled, quantised or not finite,
            or the model is no causal language model that `transformers` has.
    """
    config = read_config(folder)
    stored = stored_tensors(folder)
    layers = getattr(config, "num_hidden_layers", 0)
    if layers > len(stored):
        raise ModelError(
            f"{folder / CONFIG}: {layers} layers, and the weights are {len(stored)} tensors in "
            "all; weights and configuration of one causal language model are needed"
        )
    model = on_meta(config, folder / CONFIG)
    named, left_out = named_for(model, stored)
    model = new_model(config)
    state = model.state_dict()
    with torch.no_grad():
        for name, value in read_stored(named):
            state[name].copy_(value)
    return model.eval(), left_out


def refuse_adapter(folder: Path) -> None:
    """Refuse a folder with an adapter of `peft`: alone it is no model.

    Beside a whole model it may be meant or not: `transformers` applies it where `peft` is there.

    Raises:
        ModelError: names the file.
    """
    if os.path.lexists(path := folder / "adapter_config.json"):
        raise ModelError(
            f"{path}: an adapter, which is not applied here; merge it into its model "
            "(`merge_and_unload` of peft) and give the folder of the merged model, or delete it "
            "where the model beside it is meant alone"
        )


def on_meta(config: Any, path: Path) -> Any:
    """Return the model of a configuration without memory for its numbers: names and shapes.

    Args:
        config: the configuration.
        path: the file that it is from, for errors.

    Raises:
        ModelError: its class cannot be built of it, or its constants would fill memory.
    """
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:  # whatever a class makes of a wrong value
        raise ModelError(
            f"{path}: not a configuration of {config.model_type}: {one_line(error)}"
        ) from error
    _require_small_constants(model, path)
    return model


def _require_small_constants(model: Any, path: Path) -> None:
    """Refuse a configuration whose constants, such as tables of positions, would fill memory.

    No tensor in the files bounds them.
    """
    size = sum(buffer.numel() * buffer.element_size() for buffer in model.buffers())
    if size > _MOST_CONSTANTS:
        raise ModelError(
            f"{path}: {model.config.model_type} of this configuration has "
            f"{size / 2**30:,.0f} GiB of constants, {_MOST_CONSTANTS >> 30} are allowed; is its "
            "longest context right?"
        )


def new_model(config: Any) -> Any:
    """Return a model of a configuration, its parameters not initialised, the rest in place."""
    with torch.random.fork_rng(devices=[]), no_init_weights():
        model = AutoModelForCausalLM.from_config(
            config, dtype=torch.float32, trust_remote_code=False
        )
    model.tie_weights()  # which `transformers` leaves to the caller where nothing is initialised
    return model


def write_model(model: Any, folder: Path) -> None:
    """Write config.json and model.safetensors into `folder`. Equal models give equal bytes."""
    write_config(model, folder)
    head, _ = tied_names(model)
    tensors = {name: tensor for name, tensor in model.state_dict().items() if name != head}
    write_tensors(tensors, folder / WEIGHTS, {"format": "pt"})

"""A causal language model from a .gguf file, de-quantised by `transformers` into float32.

`transformers` needs two packages for it, which are an optional extra of this project.
"""

from contextlib import redirect_stderr
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from pipeline.errors import ModelError, one_line
from pipeline.model.base.configuration import config_of
from pipeline.model.base.huggingface_folder import new_model
from pipeline.model.base.lossless import without_stored_state
from pipeline.model.base.tokenizer import NAMED, adopt


SUFFIX = ".gguf"
PACKAGES = ("gguf", "accelerate")

_MAGIC = b"GGUF"


def read_gguf(path: Path) -> tuple[Any, PreTrainedTokenizerFast]:
    """Read model and tokenizer of a .gguf file.

    Returns:
        The model as one reads it from a folder: in float32, in eval mode, on the CPU, its
        configuration without a word of quantisation; and its tokenizer.

    Raises:
        ModelError: there is no such file, a package is missing, the file is cut short or holds an
            architecture that `transformers` cannot read, or what it holds cannot be the base.
    """
    _require_gguf(path)
    try:
        with redirect_stderr(StringIO()):  # progress bars that no setting switches off
            source = AutoModelForCausalLM.from_pretrained(
                path.parent, gguf_file=path.name, dtype=torch.float32
            )
            given = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        backend = without_stored_state(given.backend_tokenizer)
    except Exception as error:  # whatever the readers make of a damaged or unknown file
        raise ModelError(
            f"{path}: transformers cannot read this file ({type(error).__name__}: "
            f"{one_line(error)}); it may be cut short or of an architecture that transformers does "
            "not know; fetch it again, or give a folder with safetensors"
        ) from error
    model = _plain(source, path)
    names = {key: str(value) for key in NAMED if (value := getattr(given, key, None))}
    config = {"add_bos_token": given.init_kwargs.get("add_bos_token")}
    template = given.chat_template if isinstance(given.chat_template, str) else None
    return model, adopt(backend, names, config, origin=str(path), template=template)


def _require_gguf(path: Path) -> None:
    if not path.is_file():
        raise ModelError(
            f"base.source {str(path)!r}: no such file; download it (docs/models.md says where "
            "models are), or give a .gguf file or a folder that is there"
        )
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ModelError(f"{path}: not a GGUF file; fetch it again")
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ModelError(
            f"{path}: reading .gguf needs {' and '.join(missing)}; "
            "pip install 'mamlviapp[gguf]', or give a folder with safetensors"
        )


def _plain(source: Any, path: Path) -> Any:
    """Return the model built anew from its configuration, without what GGUF left in it."""
    values = source.config.to_dict()
    values.pop("quantization_config", None)
    model = new_model(config_of(values, str(path)))
    state = source.state_dict()
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise ModelError(f"{path}: {name} holds NaN or infinity; fetch it again")
    model.load_state_dict(state)
    return model.eval()

"""A causal language model from a .gguf file, de-quantised by `transformers` into float32.

`transformers` needs two packages for it, which are an optional extra of this project. It draws at
random what the file lacks and passes over what it does not know. Both are refused, here, in
`files/gguf_facts.py` and, for the tokenizer, in `files/gguf_words.py`. It takes a folder and reads
what stands beside the file, too, so it gets a folder with that file alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from pipeline.errors import ModelError, one_line
from pipeline.model.base.configuration import config_of
from pipeline.model.base.huggingface_folder import new_model, on_meta
from pipeline.model.base.lossless import without_stored_state
from pipeline.model.base.tokenizer import adopt
from pipeline.model.base.tokenizer_files import NAMED
from pipeline.model.base.weights import tied_names
from pipeline.model.files.gguf_facts import refuse_lost_facts
from pipeline.model.files.gguf_header import (
    refuse_long_header,
    refuse_other_blocks,
    refuse_other_sizes,
)
from pipeline.model.files.gguf_words import FACTS, Words, cut_by, words_of


SUFFIX = ".gguf"
PACKAGES = ("gguf", "accelerate")

_MAGIC = b"GGUF"
_OTHER_SHAPE = (
    "{path}: {name} is missing or has another shape than the file's own facts say ({count} such "
    "tensors); fetch it again, or give a folder with safetensors"
)


def read_gguf(path: Path) -> tuple[Any, PreTrainedTokenizerFast]:
    """Read model and tokenizer of a .gguf file.

    Returns:
        The model as one reads it from a folder: in float32, in eval mode, on the CPU, its
        configuration without a word of quantisation; and its tokenizer.

    Raises:
        ModelError: there is no such file, a package is missing, the file is cut short or holds an
            architecture that `transformers` cannot read, lacks a tensor or has one too many, or
            what it holds cannot be the base.
    """
    _require_gguf(path)
    try:
        with _silently(), _alone(path) as folder:
            refuse_long_header(path)
            reader = import_module("gguf").GGUFReader(path)
            made, config = _configuration(folder, reader, path)
            words = _words(reader, path)
            source, report = AutoModelForCausalLM.from_pretrained(
                folder,
                config=made,
                gguf_file=path.name,
                dtype=torch.float32,
                output_loading_info=True,
                trust_remote_code=False,
                local_files_only=True,
            )
            given = AutoTokenizer.from_pretrained(
                folder, gguf_file=path.name, trust_remote_code=False, local_files_only=True
            )
        backend = without_stored_state(given.backend_tokenizer)
        if words is not None:
            cut_by(backend, words)
    except ModelError:
        raise
    except Exception as error:  # whatever the readers make of a damaged or unknown file
        raise ModelError(
            f"{path}: transformers cannot read this file ({type(error).__name__}: "
            f"{one_line(error)}); it may be cut short or of an architecture that transformers does "
            "not know; fetch it again, or give a folder with safetensors"
        ) from error
    _require_complete(source, report, reader, path)
    model = _plain(source, config, path)
    names = {key: str(value) for key in NAMED if (value := getattr(given, key, None))}
    asked = words.add_bos if words else given.init_kwargs.get("add_bos_token")
    template = given.chat_template if isinstance(given.chat_template, str) else None
    own = {"add_bos_token": asked}
    return model, adopt(backend, names, own, origin=str(path), template=template)


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


@contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """Yield a private folder with the file alone.

    A configuration of an adapter beside it would name other weights, a tokenizer's would ask for
    code, and a tokenizer would take the place of the file's own.
    """
    with TemporaryDirectory(prefix="gguf-") as name:
        folder = Path(name)
        try:
            (folder / path.name).symlink_to(path.resolve())
        except OSError:  # not every disk has links
            copyfile(path, folder / path.name)
        yield folder


@contextmanager
def _silently() -> Iterator[None]:
    """Let `transformers` print no report and no progress; some bars obey no setting."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(transformers_logging.CRITICAL)
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        transformers_logging.set_verbosity(before)


def _configuration(folder: Path, reader: Any, path: Path) -> tuple[Any, Any]:
    """Return the configuration that `transformers` makes of the file, and what is taken of it.

    The file's header bounds both: `transformers` would allocate whatever the facts say.
    """
    fields = reader.fields.items()
    facts = {n: field.contents() for n, field in fields if not n.startswith("tokenizer.")}
    refuse_other_blocks(facts, [tensor.name for tensor in reader.tensors], path)
    made = AutoConfig.from_pretrained(
        folder, gguf_file=path.name, trust_remote_code=False, local_files_only=True
    )
    config = config_of(made.to_dict(), str(path))
    refuse_lost_facts(facts, config, path)
    numbers = sum(value.numel() for value in on_meta(config, path).parameters())
    refuse_other_sizes(reader.tensors, numbers, path)
    return made, config


def _words(reader: Any, path: Path) -> Words | None:
    """Return how the file's tokenizer cuts texts into words; see `words_of`."""
    given = {name: reader.fields[name] for name in FACTS if name in reader.fields}
    return words_of({name: field.contents() for name, field in given.items()}, path)


def _require_complete(source: Any, report: dict[str, Any], reader: Any, path: Path) -> None:
    """Refuse a file of which not every tensor became one of the model's, and the other way."""
    drawn = sorted(str(key) for key in {*report["missing_keys"], *report["mismatched_keys"]})
    if drawn:
        raise ModelError(_OTHER_SHAPE.format(path=path, name=drawn[0], count=len(drawn)))
    taken = source.state_dict().keys() - {tied_names(source)[0]}
    names = sorted(tensor.name for tensor in reader.tensors)
    if len(names) > len(taken):
        rotary = [name for name in names if name.startswith("rope")]
        raise ModelError(
            f"{path}: {len(names)} tensors, of which transformers reads {len(taken)}"
            f"{f' and not {rotary[0]:.40}' if rotary else ''}; give a folder with safetensors"
        )


def _plain(source: Any, config: Any, path: Path) -> Any:
    """Return the model built anew from its configuration, without what GGUF left in it."""
    model = new_model(config)
    own, state = model.state_dict(), source.state_dict()
    for name, value in state.items():
        if name not in own or own[name].shape != value.shape:  # older transformers take any shape
            raise ModelError(_OTHER_SHAPE.format(path=path, name=name, count=1))
        if not torch.isfinite(value).all():
            raise ModelError(f"{path}: {name} holds NaN or infinity; fetch it again")
    model.load_state_dict(state)
    return model.eval()

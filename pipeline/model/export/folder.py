"""An export: a folder that plain `transformers` loads, without this project.

README.md, LICENSE-*             what it is
config.json, model.safetensors   the model; not of bottlenecks, which no architecture has
base/                            with Φ: φ, with the special tokens' rows as they were trained
adapter/                         Φ: PEFT's files, or the bottlenecks' tensors
tokenizer.json, ...              special tokens and chat template
personalize.py, ...              adapts it to a person; not where it is adapted already
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.model.base.huggingface_folder import write_model
from pipeline.model.base.tokenizer_files import write_tokenizer
from pipeline.model.export.adapter_files import ADAPTER_FOLDER, BASE_FOLDER, write_adapter
from pipeline.model.export.chat_template import chat_template
from pipeline.model.export.licence import Licence
from pipeline.model.export.personal_settings import personal_settings
from pipeline.model.export.plain_model import as_plain, merge, phi_of
from pipeline.model.network.learner import Learner
from pipeline.params import Adapters, Data, FinetuneParams


SHIPPED = Path(__file__).with_name("shipped")
PERSONALIZE = ("personalize.py", "exported_model.py", "conversations.py", "json_lines.py")


@dataclass(frozen=True)
class Exported:
    """What an export is made from.

    Attributes:
        learner: with θ, or a person's θ̂, in place.
        adapters: Φ; null: the variant has none.
        base: φ as `load_base` returns it: a model, which is written over, and its tokenizer.
        params: of fine-tuning.
        epochs: of an adaptation to a person; null: it is adapted, `personalize.py` is left out.
        data: how a person's conversations are read.
        licences: by what they are of: `base`, `data`.
    """

    learner: Learner
    adapters: Adapters | None
    base: tuple[Any, Any]
    params: FinetuneParams
    epochs: int | None
    data: Data
    licences: dict[str, Licence]


def write_export(export: Exported, folder: Path) -> None:
    """Write everything but the model card into a folder that is there.

    Raises:
        ModelError: the learner's parameters are not those of the base.
    """
    model, _ = export.base
    as_plain(export.learner, model, export.adapters)
    _write_tokenizer(export, folder)
    _write_generation(export, folder)
    if export.epochs is not None:
        _write_personalize(export, folder, export.epochs)
    for of_what, licence in export.licences.items():
        for file in licence.files:
            shutil.copyfile(file, folder / f"LICENSE-{of_what}-{file.name}")
    if export.adapters is None:
        write_model(model, folder)
        return
    write_model(model, folder / BASE_FOLDER)
    phi = phi_of(export.learner, export.adapters)
    write_adapter(phi, model, export.adapters, folder / ADAPTER_FOLDER)
    if export.adapters.kind == "bottleneck":
        shutil.copyfile(SHIPPED / "bottlenecks.py", folder / "bottlenecks.py")
    else:
        merge(model, phi, export.adapters)
        write_model(model, folder)


def _write_tokenizer(export: Exported, folder: Path) -> None:
    """Write the tokenizer: here names of special tokens are those tokens, as templates need it."""
    _, tokenizer = export.base
    tokenizer.chat_template = chat_template(export.learner.encoder, tokenizer)
    tokenizer.split_special_tokens = False
    tokenizer.model_max_length = export.learner.encoder.context
    write_tokenizer(tokenizer, folder)


def _write_generation(export: Exported, folder: Path) -> None:
    """Say how a reply is generated: where it ends, and which tokens it may not hold."""
    encoder, generate = export.learner.encoder, export.params.generate
    closing = encoder.format.closing
    values = {
        "do_sample": True,
        "eos_token_id": closing,
        "max_new_tokens": generate.max_new_tokens,
        "pad_token_id": closing,
        "suppress_tokens": list(encoder.forbidden),
        "temperature": generate.temperature,
        "top_k": 0,
        "top_p": generate.top_p,
    }
    for place in [folder, *([folder / BASE_FOLDER] if export.adapters else [])]:
        place.mkdir(exist_ok=True)
        artifacts.write_json(place / "generation_config.json", values)


def _write_personalize(export: Exported, folder: Path, epochs: int) -> None:
    model, _ = export.base
    settings = personal_settings(
        export.learner, model, export.adapters, export.params, epochs, export.data
    )
    artifacts.write_json(folder / "personalize.json", settings)
    for name in PERSONALIZE:
        shutil.copyfile(SHIPPED / name, folder / name)

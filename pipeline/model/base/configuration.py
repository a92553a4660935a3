"""The configuration of a causal language model: which keys of config.json are taken, which refused.

What is taken is a list for each architecture: the fields of its own class in `transformers`. So a
stranger's file can name no code, no kernel and no option of the loader.
"""

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any, TypeGuard

from transformers import CONFIG_MAPPING, PreTrainedConfig
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)
from transformers.utils import logging

from pipeline import artifacts
from pipeline.errors import ModelError, one_line
from pipeline.model.files.layers import refuse_endless
from pipeline.model.files.rotary_numbers import refuse_odd_rotary
from pipeline.strict_json import strict_loads


CONFIG = "config.json"

# Keys of files of older versions, which the classes turn into fields of their own.
_OLDER = (
    "rope_theta",
    "rope_scaling",
    "rope_local_base_freq",
    "partial_rotary_factor",
    "rotary_pct",
    "rotary_emb_base",
    "sliding_window_pattern",
)
# The kinds of layers, which a class without such a field does not read, and still refuses if wrong.
_KINDS = ("layer_types", "mlp_layer_types")
_MOST_TOKENS = 1 << 32
_LAYERS = "num_hidden_layers"
_MARKS = ("bos_token_id", "eos_token_id", "pad_token_id")
_UNSTABLE = ("transformers_version", "_name_or_path", "dtype")  # say who wrote, not what


def read_config(folder: Path) -> Any:
    """Read config.json of a causal language model, as its class in `transformers`.

    Raises:
        ModelError: the file is missing or corrupt; it asks for code of its own or is quantised; it
            is no decoder that `transformers` has as a causal language model.
    """
    path = folder / CONFIG
    if not path.is_file():
        found = sorted(p for p in folder.glob("*") if p.suffix.lower() == ".gguf")
        hint = f"; to read {one_line(found[0].name)}, name the file in base.source" if found else ""
        raise ModelError(
            f"{path}: not found; a Hugging Face folder of a language model is needed{hint}"
        )
    return config_of(read_json(path), str(path))


def config_of(values: dict[str, Any], origin: str) -> Any:
    """Return the configuration that values of a config.json stand for.

    Args:
        values: of config.json; other keys than the architecture's own are dropped.
        origin: the file, for errors.

    Raises:
        ModelError: as `read_config`.
    """
    config_class = _class_of(values, origin)
    allowed = {field.name for field in dataclasses.fields(config_class)}
    allowed -= {field.name for field in dataclasses.fields(PreTrainedConfig)}
    allowed |= {*config_class.attribute_map, *_OLDER}
    taken = {k: v for k, v in values.items() if k in allowed}
    _refuse_numbers(taken, origin)
    if "rope_parameters" in allowed:
        for key in ("rope_parameters", "rope_scaling"):
            refuse_odd_rotary(taken.get(key), key, origin)
    _refuse_marks(values, origin)
    refuse_endless(taken, (_LAYERS, config_class.attribute_map.get(_LAYERS, _LAYERS)), origin)
    if values.get("per_layer_config"):
        raise ModelError(
            f"{origin}: per_layer_config gives some layers sizes of their own; give a model whose "
            "layers are all alike"
        )
    kinds = {key: values[key] for key in _KINDS if key in values and key not in allowed}
    try:
        with _without_remarks():
            if kinds:
                config_class.from_dict(taken | kinds)
            return config_class.from_dict(taken)
    except Exception as error:  # the configuration class raises errors of its own
        raise ModelError(
            f"{origin}: not a configuration of {values['model_type']}: {one_line(error)}"
        ) from error


def _refuse_numbers(values: Mapping[str, Any], origin: str) -> None:
    """Refuse numbers that are not finite, and whole numbers below zero: no size, no count is.

    A mark's number may be -1, which stands for none.
    """
    for key, value in values.items():
        if isinstance(value, float) and not isfinite(value):
            raise ModelError(f"{origin}: {key} is {value}; a finite number is needed")
        if type(value) is int and value < 0 and not key.endswith("_token_id"):
            raise ModelError(f"{origin}: {key} is {value}; a number from 0 on is needed")


def _refuse_marks(values: Mapping[str, Any], origin: str) -> None:
    """Refuse what is no number of a token; several may end a text, and -1 stands for none."""
    for key in _MARKS:
        given = values.get(key)
        several = key == "eos_token_id" and isinstance(given, list) and given
        for number in given if several else [given]:  # type: ignore[union-attr]  # a list
            none = number is None and not several
            if not (none or (type(number) is int and number == -1) or is_token_number(number)):
                raise ModelError(
                    f"{origin}: {key} is {one_line(repr(given), 60)}; the number of a token, or "
                    "null, was expected"
                )


def is_token_number(value: object) -> TypeGuard[int]:
    """Say whether a value can be a token's number; tokenizers count in 32 bits."""
    return type(value) is int and 0 <= value < _MOST_TOKENS


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Keep the library's remarks on a file to itself: they are lines beside the error's."""
    level = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)


def write_config(model: Any, folder: Path) -> None:
    """Write config.json without what says who wrote it. Equal models give equal bytes."""
    config = {k: v for k, v in model.config.to_dict().items() if k not in _UNSTABLE}
    config["architectures"] = [type(model).__name__]
    artifacts.write_json(folder / CONFIG, config)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ModelError: the file holds none.
    """
    try:
        values = strict_loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON ({one_line(error)}); fetch or make it again") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path}: not a JSON object; fetch or make it again")
    return values


def _class_of(values: dict[str, Any], origin: str) -> Any:
    """Return the configuration class of `model_type`, or refuse the model."""
    kind = values.get("model_type")
    if values.get("auto_map"):
        raise ModelError(
            f"{origin}: auto_map asks for code from the model's own repository, which is never "
            "run; give a model that transformers has itself"
        )
    if quantised := values.get("quantization_config"):
        method = quantised.get("quant_method") if isinstance(quantised, dict) else None
        raise ModelError(
            f"{origin}: the weights are quantised (quantization_config"
            f"{f', {str(method)[:40]!r}' if method else ''}); give float weights, or a .gguf file"
        )
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise ModelError(
            f"{origin}: model_type is {str(kind)[:80]!r}, which transformers does not know; give a "
            "causal language model that it has"
        )
    config_class = CONFIG_MAPPING[kind]
    reason = _why_not(kind, config_class, values)
    if reason:
        raise ModelError(
            f"{origin}: model_type {kind!r} is {reason}; a causal language model (gpt2, llama, "
            "qwen2, ...) is needed"
        )
    return config_class


def _why_not(kind: str, config_class: Any, values: dict[str, Any]) -> str | None:
    """Return what a model is that is no decoder by itself; null: it is one."""
    if values.get("is_encoder_decoder") or getattr(config_class, "is_encoder_decoder", False):
        return "an encoder with a decoder"
    if config_class.sub_configs:
        return f"made of several models ({', '.join(config_class.sub_configs)})"
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "an encoder (masked language model)"
    return None if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else "no causal language model"

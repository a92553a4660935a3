"""Build the base model φ: pre-trained here, from a folder, from a .gguf file, or from the hub.

The special tokens are added here, once. The embedding then has V + 6 rows; each of the six is the
mean of the V rows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from pipeline import artifacts
from pipeline.errors import ModelError, one_line, public, public_text
from pipeline.model.base.architecture import architecture_of, longest_context
from pipeline.model.base.configuration import read_config
from pipeline.model.base.gguf_file import SUFFIX, read_gguf
from pipeline.model.base.huggingface_folder import read_model, refuse_adapter, write_model
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.base.tokenizer import (
    add_special_tokens,
    load_tokenizer,
    read_tokenizer,
    train_tokenizer,
)
from pipeline.model.base.tokenizer_files import write_tokenizer
from pipeline.model.base.vocabulary import add_mean_rows, cut_padding
from pipeline.model.base.weights import weight_files
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.model.files.layers import MOST_LAYERS
from pipeline.model.network.self_check import require_own_logits
from pipeline.model.phi.insert import require_places
from pipeline.model.pretraining import hub
from pipeline.model.pretraining.heldout import heldout_facts
from pipeline.model.pretraining.pretrain import (
    Advance,
    initial_model,
    pretrain,
    pretraining_checkpoint,
)
from pipeline.model.pretraining.text import TextPart, encode_lines, split_text
from pipeline.outs import Snapshot, write_record
from pipeline.params import Adapters, Base, BaseParams, Pretrain
from pipeline.params.inputs import leads_out, place_of
from pipeline.params.stated import recorded


PRETRAIN = "pretrain"  # as base.source

Facts = dict[str, Any]


@dataclass(frozen=True)
class SourceModel:
    """φ as its source gives it, still without special tokens, and the facts about it."""

    model: Any  # a causal language model of `transformers`
    tokenizer: PreTrainedTokenizerFast
    facts: Facts
    checkpoint: Checkpoint | None = None  # of a pre-training; deleted once φ is written


def build_base(
    params: Base,
    text: Path,
    target: Path,
    *,
    advance: Advance,
    phi: Iterable[Adapters] = (),
    confirm: Callable[[], None] = lambda: None,
) -> Facts:
    """Make φ as `params.source` says and write it to the folder `target`, atomically.

    Args:
        params: where φ comes from, and how to pre-train it if it is made here.
        text: the file to pre-train on; read only if `params.source` is `pretrain`.
        target: the new folder; gets config.json, model.safetensors, the tokenizer and base.json.
        advance: called after each step of a pre-training.
        phi: Φ that the base must have places for. What is made does not depend on it.
        confirm: called before anything is published; an error of its keeps the checkpoint.

    Returns:
        The content of base.json: source, revision and SHA-256 of the weights, V, number of
        parameters; for a pre-training also steps, tokens, held-out loss (nats) and perplexity. Of
        a loaded model also what was cut or left out.

    Raises:
        ModelError, DownloadError, MissingFileError: the source cannot be used.
        ParamsError: blocks or targets of Φ that the base does not have.
    """
    source = _source_model(params, text, advance)
    architecture = architecture_of(source.model)
    context = _context(params, architecture.context)
    require_places(architecture.trunk, phi)
    facts = source.facts | _add_special_rows(source.model, source.tokenizer)
    facts["context"] = context
    require_own_logits(source.model)
    if params.dtype != "float32":
        facts["dtype"] = params.dtype
    facts["params"] = recorded(BaseParams(base=params))
    confirm()
    with artifacts.atomic_path(target) as folder:
        folder.mkdir()
        write_model(source.model, folder)
        write_tokenizer(source.tokenizer, folder)
        write_record(folder, artifacts.BASE_FACTS.name, facts)
    if source.checkpoint is not None:
        source.checkpoint.delete(target)
    return facts


def _source_model(params: Base, text: Path, advance: Advance) -> SourceModel:
    if params.source == PRETRAIN:
        return _pretrained(params, text, advance)
    if params.source.lower().endswith(SUFFIX):
        return _from_gguf(_path(params.source, "base.source"))
    if hub.is_hub_id(params.source):
        folder, commit = hub.fetch(params.source, params.revision)
        facts: Facts = {"source": params.source, "revision": commit}
        if not hub.has_listing(params.source, commit):
            facts["unlisted"] = sorted(path.name for path in folder.iterdir())
        return _loaded(params, folder, facts)
    folder = place_of(params.source, "base.source")
    if not folder.is_dir():
        raise ModelError(
            f"base.source {one_line(repr(public_text(params.source)))} is neither a folder nor a "
            "hub id; download it (docs/models.md says where models are), or give a folder or .gguf "
            "file that is there"
        )
    _refuse_linked_template(folder)
    return _loaded(params, folder, {"source": "folder", "revision": None})


def _refuse_linked_template(folder: Path) -> None:
    """Refuse a stranger's link to a file of the user's: the base and its exports would hold it.

    Of the other files nothing but JSON of the right keys, or tensors, would be taken.
    """
    path = folder / "chat_template.jinja"
    if leads_out(path, folder):
        raise ModelError(
            f"{path}: a link out of its folder, and exports would hold what it leads to; put the "
            "template itself there, or delete the link"
        )


def _loaded(params: Base, folder: Path, facts: Facts) -> SourceModel:
    refuse_adapter(folder)
    config = read_config(folder)  # what is no language model is told before its tokenizer is read
    _context(params, longest_context(config))
    rows = getattr(config, "vocab_size", None)
    tokenizer, dropped = read_tokenizer(folder, rows if isinstance(rows, int) else None)
    model, left_out = read_model(folder)
    weights = {path.name: artifacts.sha256_of(path) for path in weight_files(folder)}
    facts = facts | {"weights_sha256": weights, "pretraining": None}
    if left_out:
        facts["left_out"] = left_out
    if dropped:
        facts["dropped_tokens"] = dropped
    return _without_padding(SourceModel(model, tokenizer, facts), str(folder))


def _path(given: str, key: str) -> Path:
    """Return the path that a key holds; a URL is none, and may hold a password."""
    if "://" in given:
        raise ModelError(f"{key}: {public(given)}: a path was expected; download it, give its path")
    return place_of(given, key)


def _from_gguf(path: Path) -> SourceModel:
    model, tokenizer = read_gguf(path)
    weights = {path.name: artifacts.sha256_of(path)}
    facts = {"source": "gguf", "revision": None, "weights_sha256": weights, "pretraining": None}
    return _without_padding(SourceModel(model, tokenizer, facts), str(path))


def _without_padding(source: SourceModel, origin: str) -> SourceModel:
    """Cut the rows that the tokenizer has no entries for; rows of our special tokens may lack."""
    rows = source.model.config.vocab_size
    plain = len(source.tokenizer) - len(SPECIAL_TOKENS)
    if SPECIAL_TOKENS[0] in source.tokenizer.get_vocab() and rows == plain:
        return source
    cut = cut_padding(source.model, len(source.tokenizer), origin)
    return replace(source, facts=source.facts | {"padding_rows": cut}) if cut else source


def _context(params: Base, longest: int) -> int:
    """Return the context of the run: `base.context`, else the longest that φ was made for."""
    if params.context is not None and params.context > longest:
        raise ModelError(
            f"base.context is {params.context}, the model's longest context {longest}; set "
            f"base.context to {longest} or less, or to null"
        )
    return params.context or longest


def _add_special_rows(model: Any, tokenizer: PreTrainedTokenizerFast) -> Facts:
    """Append the special tokens to tokenizer and embedding, unless the source has them already."""
    size = add_special_tokens(tokenizer)
    if model.config.vocab_size == size:
        add_mean_rows(model, size, len(tokenizer))
    return {
        "vocab_size": size,
        "special_tokens": list(SPECIAL_TOKENS),
        "num_parameters": model.num_parameters(),
    }


def _pretrained(base: Base, text: Path, advance: Advance) -> SourceModel:
    if text.is_file() and not text.stat().st_size:
        raise ModelError(
            f"{text}: empty, but base.source is `pretrain`; set data.pretrain to `synthetic` or a "
            "path and run stage download, or set base.source to a hub id or a folder"
        )
    read = Snapshot([text])
    params = base.pretrain
    if params.num_layers > MOST_LAYERS:  # which no later stage would read
        raise ModelError(
            f"base.pretrain.num_layers is {params.num_layers}; at most {MOST_LAYERS} are read, "
            "lower it"
        )
    train, heldout = split_text(text, params.holdout)
    tokenizer = _tokenizer(params, train)
    ids = encode_lines(train.lines(), tokenizer)
    vocab_size = add_special_tokens(tokenizer)
    model = initial_model(params, vocab_size=vocab_size, end=tokenizer.eos_token_id, seed=base.seed)
    checkpoint = pretraining_checkpoint(params, ids, seed=base.seed)
    heldout_ids = encode_lines(heldout.lines(), tokenizer)
    pretrain(model, ids, params, seed=base.seed, checkpoint=checkpoint, advance=advance)
    read.refuse_changed()
    facts = {
        "text_sha256": read.digests[text],
        "text_tokens": len(ids) + len(heldout_ids),
        "steps": params.steps,
        "tokens": params.steps * params.batch_size * params.sequence_length,
    }
    facts |= heldout_facts(model, ids, heldout_ids, num_bytes=heldout.num_bytes, params=params)
    sources = {"source": PRETRAIN, "revision": None, "weights_sha256": None}
    return SourceModel(model, tokenizer, sources | {"pretraining": facts}, checkpoint)


def _tokenizer(params: Pretrain, train: TextPart) -> PreTrainedTokenizerFast:
    if params.tokenizer is not None:
        folder = _path(params.tokenizer, "base.pretrain.tokenizer")
        _refuse_linked_template(folder)
        return load_tokenizer(folder)
    return train_tokenizer((line for _, line in train.lines()), params.vocab_size)

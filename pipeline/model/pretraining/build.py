"""The base model φ as a Hugging Face folder: pre-trained here, from a folder, or from the hub.

The special tokens are added here, once: V + 6 rows, the new ones the mean of the others.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from pipeline import artifacts
from pipeline.errors import ModelError
from pipeline.model.base.huggingface_folder import weight_files, write_gpt2
from pipeline.model.base.load import read_folder
from pipeline.model.base.tokenizer import (
    SPECIAL_TOKENS,
    add_special_tokens,
    load_tokenizer,
    train_tokenizer,
)
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.model.pretraining import hub
from pipeline.model.pretraining.heldout import heldout_facts
from pipeline.model.pretraining.pretrain import (
    Advance,
    initial_model,
    pretrain,
    pretraining_checkpoint,
)
from pipeline.model.pretraining.text import Part, encode_lines, split_text
from pipeline.params import Base, Pretrain


PRETRAIN = "pretrain"  # as base.source
FACTS = "base.json"

Facts = dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """φ as found or made, without special tokens, and what is known of it."""

    model: GPT2LMHeadModel
    tokenizer: PreTrainedTokenizerFast
    facts: Facts
    checkpoint: Checkpoint | None = None  # to be deleted when φ is written


def build_base(params: Base, text: Path, target: Path, *, advance: Advance) -> Facts:
    """Make φ as `params.source` says and write it to the folder `target`, atomically.

    Args:
        params: where φ comes from, and how it is pre-trained where it is made here.
        text: what it is pre-trained on; read only where `params.source` is `pretrain`.
        target: receives config.json, model.safetensors, the tokenizer and base.json.
        advance: called after each step of a pre-training.

    Returns:
        What base.json says: source, revision and SHA-256 of what was loaded, V, number of
        parameters; of a pre-training: steps, tokens, held-out loss and perplexity.

    Raises:
        ModelError, DownloadError, MissingFileError: the source cannot be used.
    """
    origin = _origin(params, text, advance)
    facts = origin.facts | _add_special_rows(origin.model, origin.tokenizer)
    with artifacts.atomic_path(target) as folder:
        folder.mkdir()
        write_gpt2(origin.model, folder)
        origin.tokenizer.save_pretrained(folder)
        artifacts.write_json(folder / FACTS, facts)
    if origin.checkpoint is not None:
        origin.checkpoint.delete()
    return facts


def _origin(params: Base, text: Path, advance: Advance) -> Origin:
    if params.source == PRETRAIN:
        return _pretrained(params, text, advance)
    if hub.is_hub_id(params.source):
        folder, commit = hub.fetch(params.source, params.revision)
        return _loaded(folder, {"source": params.source, "revision": commit})
    folder = Path(params.source).expanduser()
    if not folder.is_dir():
        raise ModelError(f"base.source {params.source!r}: no such folder, and not a hub id")
    return _loaded(folder, {"source": "folder", "revision": None})


def _loaded(folder: Path, facts: Facts) -> Origin:
    model, tokenizer = read_folder(folder)
    weights = {path.name: artifacts.sha256_of(path) for path in weight_files(folder)}
    return Origin(model, tokenizer, facts | {"weights_sha256": weights, "pretraining": None})


def _add_special_rows(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast) -> Facts:
    """Append the special tokens to tokenizer and embedding, unless they are there already."""
    size = add_special_tokens(tokenizer)
    if model.config.vocab_size == size:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            mean = model.transformer.wte.weight.double().mean(dim=0).float()  # (H,)
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
            model.transformer.wte.weight[size:] = mean
    return {
        "vocab_size": size,
        "special_tokens": list(SPECIAL_TOKENS),
        "num_parameters": model.num_parameters(),
        "context": model.config.n_positions,
    }


def _pretrained(base: Base, text: Path, advance: Advance) -> Origin:
    if text.is_file() and not text.stat().st_size:
        raise ModelError(
            f"{text}: empty, but base.source is `pretrain`; set data.pretrain to `synthetic` or a "
            "path and run stage download, or set base.source to a hub id or a folder"
        )
    params = base.pretrain
    train, heldout = split_text(text, params.holdout)
    tokenizer = _tokenizer(params, train)
    ids = encode_lines(train.lines(), tokenizer)
    vocab_size = add_special_tokens(tokenizer)
    model = initial_model(params, vocab_size=vocab_size, end=tokenizer.eos_token_id, seed=base.seed)
    checkpoint = pretraining_checkpoint(params, ids, seed=base.seed)
    pretrain(model, ids, params, seed=base.seed, checkpoint=checkpoint, advance=advance)
    heldout_ids = encode_lines(heldout.lines(), tokenizer)
    facts = {
        "text_sha256": artifacts.sha256_of(text),
        "text_tokens": len(ids) + len(heldout_ids),
        "steps": params.steps,
        "tokens": params.steps * params.batch_size * params.sequence_length,
    }
    facts |= heldout_facts(model, ids, heldout_ids, num_bytes=heldout.num_bytes, params=params)
    sources = {"source": PRETRAIN, "revision": None, "weights_sha256": None}
    return Origin(model, tokenizer, sources | {"pretraining": facts}, checkpoint)


def _tokenizer(params: Pretrain, train: Part) -> PreTrainedTokenizerFast:
    if params.tokenizer is not None:
        return load_tokenizer(Path(params.tokenizer).expanduser())
    return train_tokenizer((line for _, line in train.lines()), params.vocab_size)

"""A variant made real: the learner f, and which tensors are θ (Algorithms 1 and 2, lines 1-2).

The only reader of a variant's axes. Algorithm 1: θ is every parameter. Algorithm 2: θ is Φ, and φ
is fixed because it is not in θ. The special tokens' rows belong to θ in every variant, as does the
head of next-utterance prediction where there is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2Model

from pipeline.errors import MissingFileError, ModelError
from pipeline.model.base.tokenizer import SPECIAL_TOKENS
from pipeline.model.files.tensors import read_tensors, write_tensors
from pipeline.model.network.language_model import SPECIAL, WTE, Attention, LanguageModel
from pipeline.model.network.next_utterance import HEAD, initial_head
from pipeline.model.phi.bottleneck import insert_adapters
from pipeline.model.sequences.batching import Batch
from pipeline.model.sequences.encoding import Encoder
from pipeline.params import Adapters, Variant


THETA_FILE = "theta.safetensors"


@dataclass(frozen=True)
class Learner:
    """f, split into what training moves (`theta`) and what it does not (`fixed`)."""

    model: LanguageModel
    encoder: Encoder
    theta: dict[str, Tensor]
    fixed: dict[str, Tensor]
    inner_rates: Mapping[str, float | None] | None = None  # what adapts, learned rates; null: all

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.theta[SPECIAL].device

    def parameters(self, theta: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return all of f's parameters with `theta` in the place of θ."""
        return {**self.fixed, **theta}

    @property
    def stackable(self) -> bool:
        """Tasks can share a pass: the tensors that differ between them are Φ and special rows."""
        return WTE in self.fixed

    def token_nll(self, theta: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """NLL of each predicted token, (R,), nats; θ may be stacked, (N, ...)."""
        return self.model.token_nll(self.parameters(theta), batch)

    def losses(self, theta: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """L_i(f_θ_i) of each of the batch's N tasks, (N,), in nats; θ may be stacked, (N, ...)."""
        return self.model.losses(self.parameters(theta), batch)


def build_learner(
    variant: Variant,
    adapters: Adapters,
    base: tuple[Any, Any],
    *,
    seed: int,
    attention: Attention,
    device: torch.device,
) -> Learner:
    """Build a variant's learner at the start of its training.

    Args:
        variant: the axes.
        adapters: Φ's size, where the variant has adapters.
        base: φ as `load_base` returns it, GPT-2 and tokenizer; it is not used afterwards.
        seed: draws the random initialisations: Φ's, and all of f's where `init` is random.
        attention: `eager` where f will be differentiated twice.
        device: where the parameters go.
    """
    gpt2, tokenizer = base
    transformer = gpt2.transformer
    if variant.init == "random":
        transformer = _random_like(transformer, seed)
    adapter_names: list[str] = []
    if variant.adapters:
        generator = torch.Generator().manual_seed(seed)
        adapter_names = insert_adapters(transformer, adapters, generator)
    head = None
    if variant.next_utterance is not None:
        generator = torch.Generator().manual_seed(seed)
        head = initial_head(variant.next_utterance, transformer.config.n_embd, generator)
    model = LanguageModel(
        transformer,
        num_special=len(SPECIAL_TOKENS),
        attention=attention,
        objective=variant.next_utterance,
        head=head,
    )
    parameters = model.to(device).initial_parameters()
    trained = {SPECIAL, HEAD, *adapter_names} if variant.freeze_base else set(parameters)
    encoder = Encoder(
        tokenizer,
        context=model.config.n_positions,
        persona_text=variant.persona_text,
        special_tokens=variant.special_tokens,
        distractors=variant.next_utterance is not None,
    )
    return Learner(
        model,
        encoder,
        theta={name: value for name, value in parameters.items() if name in trained},
        fixed={name: value for name, value in parameters.items() if name not in trained},
    )


def _random_like(transformer: GPT2Model, seed: int) -> GPT2Model:
    """REINIT: the same architecture, initialised as `transformers` initialises a GPT-2."""
    with torch.random.fork_rng(devices=[]):  # transformers draws from the global generator
        torch.manual_seed(seed)
        return GPT2Model(transformer.config)


def save_theta(theta: Mapping[str, Tensor], folder: Path) -> None:
    """Write θ into `folder` as safetensors; equal tensors give equal bytes."""
    write_tensors(theta, folder / THETA_FILE)


def load_theta(learner: Learner, folder: Path, *, made_by: str) -> Learner:
    """Return the learner with the θ that a training run left in `folder`.

    Raises:
        MissingFileError: there is no θ; `made_by` names the stage that writes it.
        ModelError: the file is corrupt, or the tensors there are not this learner's.
    """
    path = folder / THETA_FILE
    if not path.is_file():
        raise MissingFileError(path, made_by)
    found = read_tensors(path, remedy=f"run stage {made_by} again", device=learner.device)
    shapes = {name: tuple(value.shape) for name, value in learner.theta.items()}
    if {name: tuple(value.shape) for name, value in found.items()} != shapes:
        raise ModelError(f"{path}: other tensors than this variant's; run stage {made_by} again")
    theta = {name: found[name] for name in learner.theta}
    return replace(learner, theta=theta)

"""A variant's learner: f, and which tensors are θ (Algorithm 1 line 1, Algorithm 2 lines 1-2).

Only this module reads a variant's axes. Algorithm 1: θ is every parameter. Algorithm 2: θ is Φ; φ
is fixed because it is not in θ. In every variant the special tokens' rows belong to θ, and so does
the head of next-utterance prediction, if the variant has one.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import MissingFileError, ModelError
from pipeline.model.base.architecture import architecture_of, trunk_of
from pipeline.model.base.load import fixed_dtype, run_context
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.files.tensors import read_tensors, write_tensors
from pipeline.model.files.variant_record import THETA_FILE
from pipeline.model.network.frozen_trunk import FrozenTrunk, frozen_trunk
from pipeline.model.network.language_model import Attention, LanguageModel
from pipeline.model.network.next_utterance import HEAD, initial_head
from pipeline.model.network.projection import SPECIAL, SPECIAL_WEIGHT
from pipeline.model.phi.insert import insert_phi
from pipeline.model.sequences.batching import Batch, Piece, collate_tasks
from pipeline.model.sequences.encoding import Encoder
from pipeline.params import Adapters, Variant
from pipeline.params.patterns import matching


_LOG = logging.getLogger(__name__)  # the shell shows it as a note


@dataclass(frozen=True)
class Learner:
    """f with its parameters in two parts: `theta`, which training moves, and `fixed`."""

    model: LanguageModel
    encoder: Encoder
    theta: dict[str, Tensor]
    fixed: dict[str, Tensor]
    # The tensors that adapt, each with its learned rate, if any; null: all of θ adapts.
    inner_rates: Mapping[str, float | None] | None = None
    frozen_trunk: FrozenTrunk | None = None

    @property
    def device(self) -> torch.device:
        """The device that holds the parameters."""
        return self.theta[SPECIAL].device

    def parameters(self, theta: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return all of f's parameters, with `theta` as θ."""
        return {**self.fixed, **theta}

    def adapting(self, patterns: Sequence[str] | None) -> dict[str, float | None]:
        """Return what fine-tuning moves, each tensor with its learned rate, if any.

        Args:
            patterns: `finetune.parameters`; null: all that the variant's inner loop moved.

        Raises:
            ParamsError: a pattern matches none of these.
        """
        rates = self.inner_rates or dict.fromkeys(self.theta)
        return {n: rates[n] for n in matching(rates, patterns, "finetune.parameters")}

    @property
    def stackable(self) -> bool:
        """Whether tasks can share a pass. They can if φ is fixed, so that only Φ differs."""
        return self.model.table in self.fixed

    def collate(self, sets: Sequence[Sequence[Piece]]) -> Batch:
        """Pad the support or query sets of N tasks to one batch."""
        batch = collate_tasks(sets, self.device)
        return self.frozen_trunk.fill(batch, sets) if self.frozen_trunk else batch

    def token_nll(self, theta: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return the NLL of each predicted token, (R,), nats; θ may be stacked, (N, ...)."""
        return self.model.token_nll(self.parameters(theta), batch)

    def losses(self, theta: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return L_i(f_θ_i) of the batch's N tasks, (N,), nats; θ may be stacked, (N, ...)."""
        return self.model.losses(self.parameters(theta), batch)


def build_learner(
    variant: Variant,
    adapters: Adapters | None,
    base: tuple[Any, Any],
    *,
    seed: int,
    attention: Attention,
    device: torch.device,
) -> Learner:
    """Build a variant's learner at the start of its training.

    Args:
        variant: the axes.
        adapters: Φ's kind, size and place; null if the variant has none.
        base: a causal LM and its tokenizer, as `load_base` returns them. The learner changes this
            model, so the caller must not use it again.
        seed: draws the random initial values: Φ's, and all of f's if `init` is random.
        attention: `eager` if f will be differentiated twice, else `sdpa`.
        device: where the parameters go.
    """
    network, tokenizer = base
    if variant.init == "random":
        _randomise(network, seed)
    architecture = architecture_of(network)
    phi: list[str] = []
    if variant.adapters:
        assert adapters is not None
        generator = torch.Generator().manual_seed(seed)
        phi = insert_phi(architecture.trunk, adapters, generator)
    head = None
    if variant.next_utterance is not None:
        generator = torch.Generator().manual_seed(seed)
        head = initial_head(variant.next_utterance, architecture.width, generator)
    model = LanguageModel(
        architecture,
        num_special=len(SPECIAL_TOKENS),
        attention=attention,
        objective=variant.next_utterance,
        head=head,
    )
    parameters = model.to(device).take_parameters()
    trained = {SPECIAL, SPECIAL_WEIGHT, HEAD, *phi} if variant.freeze_base else set(parameters)
    fixed = {name: value for name, value in parameters.items() if name not in trained}
    if fixed_dtype(network) == "bfloat16":
        if fixed:
            fixed, model.precision = in_bfloat16(fixed), "bfloat16"
        else:
            _LOG.warning("base.dtype bfloat16 has no effect here: φ is trained, and stays float32")
    encoder = Encoder(
        tokenizer,
        context=run_context(network),
        persona_text=variant.persona_text,
        format=variant.format,
        distractors=variant.next_utterance is not None,
    )
    theta = {name: value for name, value in parameters.items() if name in trained}
    kept = frozen_trunk(model, theta, fixed, phi) if variant.freeze_base else None
    return Learner(model, encoder, theta, fixed, frozen_trunk=kept)


def in_bfloat16(fixed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return parameters with their matrices in bfloat16: half the memory (`base.dtype`).

    Products of matrices are then in bfloat16, too, as under autocast. Vectors stay as they are:
    norms compute in float32.
    """
    return {n: v.bfloat16() if v.ndim > 1 else v for n, v in fixed.items()}


def _randomise(network: Any, seed: int) -> None:
    """Give a model new values, as `transformers` initialises its architecture (REINIT)."""
    trunk, head = trunk_of(network), network.get_output_embeddings()
    with torch.random.fork_rng(devices=[]), torch.no_grad():  # it draws from the global generator
        torch.manual_seed(seed)
        trunk.load_state_dict(type(trunk)(trunk.config).state_dict())
        if head.weight is not network.get_input_embeddings().weight:
            head.weight.normal_(0.0, trunk.config.initializer_range)
        if head.bias is not None:
            head.bias.zero_()


def save_theta(theta: Mapping[str, Tensor], folder: Path) -> None:
    """Write θ into `folder` as safetensors. Equal tensors give equal bytes."""
    write_tensors(theta, folder / THETA_FILE)


def load_theta(learner: Learner, folder: Path, *, made_by: str) -> Learner:
    """Return the learner with the θ that a training run left in `folder`.

    Args:
        learner: a learner of the same variant; its own θ is not used.
        folder: `models/VARIANT/seed-SEED`.
        made_by: the stage that writes the file, with its arguments. The errors name it.

    Raises:
        MissingFileError: the folder has no θ.
        ModelError: the file is corrupt, or its tensors are not this learner's.
    """
    path = folder / THETA_FILE
    if not path.is_file():
        raise MissingFileError(path, made_by)
    tensors = read_tensors(path, remedy=f"run stage {made_by} again", device=learner.device)
    if _layout(tensors) != _layout(learner.theta):
        raise ModelError(f"{path}: other tensors than this variant's; run stage {made_by} again")
    theta = {name: tensors[name] for name in learner.theta}
    return replace(learner, theta=theta)


def _layout(tensors: Mapping[str, Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {name: (tuple(value.shape), value.dtype) for name, value in tensors.items()}

"""Pre-train φ: a small GPT-2 with the causal language modelling loss on packed windows of text.

Real runs use a published GPT-2 as φ. This makes a small base of the same kind where no published
one may be downloaded.
"""

import math
import random
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from pipeline.errors import DivergedError, ModelError
from pipeline.model.checkpoint.checkpoint import (
    Checkpoint,
    add_prefix,
    flatten_optimizer,
    refuse_other_tensors,
    restore_optimizer,
    strip_prefix,
)
from pipeline.model.pretraining.text import Ids
from pipeline.params import Pretrain
from pipeline.processes.device import best_device, use_threads


Advance = Callable[[int, str], None]  # (steps done, a few words)

CLIP = 1.0  # gradient norm
FINAL_LR = 0.1  # of the peak rate
_MODEL = "model."


def initial_model(params: Pretrain, *, vocab_size: int, end: int, seed: int) -> GPT2LMHeadModel:
    """Return a GPT-2 of the size that `params` says, initialised by `transformers`, no dropout.

    Args:
        params: `base.pretrain`.
        vocab_size: rows of the embedding.
        end: the id of `<|endoftext|>`.
        seed: draws the initial values.
    """
    config = GPT2Config(
        vocab_size=vocab_size,
        n_positions=params.context,
        n_embd=params.width,
        n_layer=params.num_layers,
        n_head=params.num_heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
    )
    with torch.random.fork_rng(devices=[]):  # transformers draws from the global generator
        torch.default_generator.manual_seed(random.Random(f"{seed}/base/init").getrandbits(63))
        return GPT2LMHeadModel(config)


def pretrain(
    model: GPT2LMHeadModel,
    ids: Ids,
    params: Pretrain,
    *,
    seed: int,
    checkpoint: Checkpoint,
    advance: Advance,
) -> None:
    """Train `model` in place on windows of `ids` (N,); it ends on the CPU, in eval mode.

    AdamW, linear warm-up, then a cosine to a tenth of the rate. The windows of a step depend on
    `seed` and the step alone, so a run that is interrupted and resumed ends with the same
    parameters.

    Raises:
        ModelError: the text has fewer tokens than one window.
        DivergedError: a loss or a gradient is not finite.
    """
    if len(ids) <= params.sequence_length:
        raise ModelError(
            f"the pre-training text has {len(ids)} tokens, base.pretrain.sequence_length is "
            f"{params.sequence_length}; give more text or a shorter sequence_length"
        )
    device = best_device()
    use_threads(sum(parameter.numel() for parameter in model.parameters()))
    model.to(device).train()
    optimizer = _optimizer(model, params)
    for step in range(_resume(checkpoint, model, optimizer), params.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, params)
        windows = draw_windows(ids, params, seed=seed, step=step).to(device)
        loss, norm = _step(model, optimizer, windows)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise DivergedError(
                f"step {step}: loss {loss}, gradient norm {norm}; lower base.pretrain.lr"
            )
        advance(step + 1, f"loss {loss:.3f}")
        if checkpoint.due():
            _save(checkpoint, model, optimizer, step + 1)
    model.cpu().eval()


def pretraining_checkpoint(params: Pretrain, ids: Ids, *, seed: int) -> Checkpoint:
    """Return this pre-training's checkpoint; its key holds parameters, tokens, seed and code."""
    digest = sha256(np.ascontiguousarray(ids).data).hexdigest()
    return Checkpoint(
        "base", {"params": params.model_dump_json(), "ids": digest, "seed": f"{seed}"}
    )


def learning_rate(step: int, params: Pretrain) -> float:
    """Return the rate of a step, from 0: linear warm-up to `lr`, then half a cosine to a tenth."""
    if step < params.warmup_steps:
        return params.lr * (step + 1) / params.warmup_steps
    progress = (step - params.warmup_steps) / max(1, params.steps - params.warmup_steps)
    return params.lr * (FINAL_LR + (1 - FINAL_LR) * (1 + math.cos(math.pi * progress)) / 2)


def draw_windows(ids: Ids, params: Pretrain, *, seed: int, step: int) -> Tensor:
    """Return a step's random windows (B, T + 1), int64; T tokens of each are predicted."""
    generator = random.Random(f"{seed}/base/windows/{step}")
    length = params.sequence_length
    starts = [generator.randrange(len(ids) - length) for _ in range(params.batch_size)]
    windows = np.stack([ids[start : start + length + 1] for start in starts])
    return torch.from_numpy(windows.astype(np.int64))


def window_loss(model: GPT2LMHeadModel, windows: Tensor, reduction: str = "mean") -> Tensor:
    """Return the cross-entropy of `windows[:, 1:]` in nats; `windows` is (B, T + 1).

    The network runs in bfloat16 on a GPU, in float32 elsewhere. The loss is always in float32.
    """
    device = windows.device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        logits = model(windows[:, :-1], use_cache=False).logits  # (B, T, V)
    flat = logits.flatten(0, 1).float()
    return F.cross_entropy(flat, windows[:, 1:].flatten(), reduction=reduction)


def _step(
    model: GPT2LMHeadModel, optimizer: torch.optim.Optimizer, windows: Tensor
) -> tuple[float, float]:
    """Take a step; return the loss and the gradient's norm before it was clipped."""
    optimizer.zero_grad()
    loss = window_loss(model, windows)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    return loss.item(), norm.item()


def _optimizer(model: GPT2LMHeadModel, params: Pretrain) -> torch.optim.Optimizer:
    """Return AdamW; only matrices decay."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": params.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=params.lr, fused=True)


def _save(checkpoint: Checkpoint, model: Any, optimizer: Any, step: int) -> None:
    tensors, state = flatten_optimizer(optimizer)
    tensors |= add_prefix(dict(model.named_parameters()), _MODEL)
    checkpoint.save(tensors, {"step": step, "optimizer": state})


def _resume(checkpoint: Checkpoint, model: Any, optimizer: Any) -> int:
    """Restore the last checkpoint, if there is one; return the step to continue with."""
    saved = checkpoint.load()
    if saved is None:
        return 0
    tensors, state = saved
    weights = strip_prefix(tensors, _MODEL)
    refuse_other_tensors(weights, dict(model.named_parameters()))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
    restore_optimizer(optimizer, tensors, state["optimizer"])
    return int(state["step"])

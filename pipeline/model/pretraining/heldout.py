"""The loss of a pre-trained φ on held-out text, beside a unigram model's loss."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import GPT2LMHeadModel

from pipeline.errors import DivergedError
from pipeline.model.pretraining.pretrain import window_loss
from pipeline.model.pretraining.text import Ids
from pipeline.params import Pretrain
from pipeline.processes.device import best_device


_HIGHEST = 700.0  # nats per token; the exponential of 710 is no float


def heldout_facts(
    model: GPT2LMHeadModel, train: Ids, heldout: Ids, *, num_bytes: int, params: Pretrain
) -> dict[str, float]:
    """Score held-out text.

    Args:
        model: φ.
        train: ids (M,) of the training text; the unigram model counts them.
        heldout: ids (N,) of the held-out text.
        num_bytes: size of the held-out text as UTF-8.
        params: `base.pretrain`.

    Returns:
        Losses in nats: of `model` per token and per byte, of the unigram model per token. Each has
        its perplexity, the exponential, beside it.

    Raises:
        DivergedError: the loss is not finite, or too high for a perplexity.
    """
    num_tokens = len(heldout) - 1
    nll = model_nll(model, heldout, params)
    if not nll / num_tokens < _HIGHEST:
        raise DivergedError(f"held-out loss {nll / num_tokens}; lower base.pretrain.lr")
    losses = {
        "per_token": nll / num_tokens,
        "per_byte": nll / num_bytes,
        "unigram_per_token": unigram_nll(train, heldout, model.config.vocab_size) / num_tokens,
    }
    return (
        {"heldout_tokens": num_tokens, "heldout_bytes": num_bytes}
        | {f"loss_{unit}": loss for unit, loss in losses.items()}
        | {f"ppl_{unit}": math.exp(loss) for unit, loss in losses.items()}
    )


def model_nll(model: GPT2LMHeadModel, ids: Ids, params: Pretrain) -> float:
    """Return the model's NLL of `ids[1:]`, summed, in nats.

    Each token is predicted once, from the tokens before it in its window of `sequence_length`.
    The first id is not predicted: it is the document boundary that every part begins with.
    """
    device = best_device()
    model.to(device).eval()
    with torch.inference_mode():
        losses = [
            window_loss(model, windows.to(device), reduction="sum").item()
            for windows in _covering_windows(ids, params)
        ]
    model.cpu()
    return math.fsum(losses)


def unigram_nll(train: Ids, ids: Ids, vocab_size: int) -> float:
    """Return the NLL of `ids[1:]`, summed, in nats, by token counts in `train`, each plus one."""
    counts = np.bincount(train, minlength=vocab_size) + 1
    log_probabilities = np.log(counts / counts.sum())
    return -float(log_probabilities[ids[1:]].sum())


def _covering_windows(ids: Ids, params: Pretrain) -> Iterator[Tensor]:
    """Yield batches (B, T + 1) that predict each of `ids[1:]` once; the last may be shorter."""
    length = params.sequence_length
    full = (len(ids) - 1) // length
    starts: NDArray[np.int64] = np.arange(full) * length
    for first in range(0, full, params.batch_size):
        batch = starts[first : first + params.batch_size, None] + np.arange(length + 1)
        yield torch.from_numpy(ids[batch].astype(np.int64))
    rest = ids[full * length :]
    if len(rest) > 1:
        yield torch.from_numpy(rest.astype(np.int64))[None]

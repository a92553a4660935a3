"""-log p(token) without a (positions, vocabulary) tensor: the head's rows are used in blocks.

A block of logits stays in the processor's cache from the product to its sum of exponentials. Then
the next block overwrites it. A position's normaliser is computed once, however many tokens are
scored after it. N positions, M questions, H width, V + S vocabulary. No gradients.
"""

import math

import torch
from torch import Tensor

from pipeline.model.network.projection import Projection


_ROWS = 1024  # positions at a time
_CELLS = {"cpu": 1 << 20}  # logits at a time: 4 MiB in float32, within the cache
_CELLS_ELSEWHERE = 1 << 26  # 256 MiB: few and large products suit a GPU


@torch.no_grad()
def nll(projection: Projection, hidden: Tensor, rows: Tensor, targets: Tensor) -> Tensor:
    """Return -log p(target) in nats.

    Args:
        projection: f's head.
        hidden: (N, H) states.
        rows: (M,) the row of `hidden` that predicts each target.
        targets: (M,) token ids.

    Returns:
        (M,). Beside it, memory holds at most 4 MiB of logits in float32 (256 MiB on a GPU)
        and 3 x M x H numbers.
    """
    parts = hidden.chunk(max(1, -(-len(hidden) // _ROWS)))
    normalisers = torch.cat([log_normaliser(part, projection) for part in parts])
    chosen = projection.chosen(hidden[rows], targets)
    return (normalisers[rows] - chosen).clamp(min=0)  # rounding may give less than 0


def log_normaliser(hidden: Tensor, projection: Projection) -> Tensor:
    """Return log Σ_v exp(logit_v) over the vocabulary: (N, H) -> (N,)."""
    rows = len(hidden)
    width = max(1, _CELLS.get(hidden.device.type, _CELLS_ELSEWHERE) // max(1, rows))
    space = hidden.new_empty(rows * width)
    hidden = projection.scaled(hidden)
    # In bits: a CPU computes 2^x three times as fast as e^x, which uses another library.
    nats = math.log(2)
    factors = hidden / nats if projection.is_linear else hidden
    maxima, sums, first = [], [], 0
    for block in (
        block for table in (projection.plain, projection.special) for block in table.split(width)
    ):
        logits = space[: rows * len(block)].view(rows, len(block))
        torch.mm(factors, block.T.to(factors.dtype), out=logits)
        if not projection.is_linear:
            last = first + len(block)
            bias = None if projection.bias is None else projection.bias[first:last]
            logits, first = projection.finish(logits, bias).div_(nats), last
        highest = logits.amax(-1, keepdim=True)
        maxima.append(highest[:, 0])
        sums.append(logits.sub_(highest).exp2_().sum(-1))
    bits = torch.stack(maxima) + torch.stack(sums).log2()  # (blocks, N)
    return (bits * nats).logsumexp(0)

"""-log p(token) without a (positions, vocabulary) tensor: the tied table is used in blocks.

A block of logits stays in the processor's cache from the product to its sum of exponentials. Then
the next block overwrites it. A position's normaliser is computed once, however many tokens are
scored after it. N positions, M questions, H width, V + S vocabulary. No gradients.
"""

import math

import torch
from torch import Tensor

from pipeline.model.network.language_model import SPECIAL, WTE, LanguageModel, Parameters


_ROWS = 1024  # positions at a time
_CELLS = {"cpu": 1 << 20}  # logits at a time: 4 MiB in float32, within the cache
_CELLS_ELSEWHERE = 1 << 26  # 256 MiB: few and large products suit a GPU


@torch.no_grad()
def nll(
    model: LanguageModel, parameters: Parameters, hidden: Tensor, rows: Tensor, targets: Tensor
) -> Tensor:
    """Return -log p(target) in nats.

    Args:
        model: f.
        parameters: all of f's, on one device.
        hidden: (N, H) states.
        rows: (M,) the row of `hidden` that predicts each target.
        targets: (M,) token ids.

    Returns:
        (M,). Beside it, memory holds at most 4 MiB of logits in float32 (256 MiB on a GPU)
        and 3 x M x H numbers.
    """
    tables = (parameters[WTE], parameters[SPECIAL])
    parts = hidden.chunk(max(1, -(-len(hidden) // _ROWS)))
    normalisers = torch.cat([log_normaliser(part, tables) for part in parts])
    chosen = (hidden[rows] * model.embed(parameters, targets)).sum(-1)
    return (normalisers[rows] - chosen).clamp(min=0)  # rounding may give less than 0


def log_normaliser(hidden: Tensor, tables: tuple[Tensor, ...]) -> Tensor:
    """Return log Σ_v exp(h · w_v) over the rows of all tables: (N, H) -> (N,)."""
    rows = len(hidden)
    width = max(1, _CELLS.get(hidden.device.type, _CELLS_ELSEWHERE) // max(1, rows))
    space = hidden.new_empty(rows * width)
    # In bits: a CPU computes 2^x three times as fast as e^x, which uses another library.
    hidden = hidden / math.log(2)
    maxima, sums = [], []
    for block in (block for table in tables for block in table.split(width)):
        logits = space[: rows * len(block)].view(rows, len(block))
        torch.mm(hidden, block.T, out=logits)
        highest = logits.amax(-1, keepdim=True)
        maxima.append(highest[:, 0])
        sums.append(logits.sub_(highest).exp2_().sum(-1))
    bits = torch.stack(maxima) + torch.stack(sums).log2()  # (blocks, N)
    return (bits * math.log(2)).logsumexp(0)

"""Generate responses: nucleus sampling (App. B, p = 0.92; Holtzman et al. 2019) and greedy.

All replies of a window are continued together, from the keys and values of one `Reading`. Only text
and the closing token can be generated. B rows, V' vocabulary with special tokens. No gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from pipeline.model.inference.reading import Reading
from pipeline.model.sequences.encoding import ReplySpan
from pipeline.model.sequences.masks import Seen


@dataclass(frozen=True)
class Ending:
    """The token that ends a response, and the tokens that a response may not contain."""

    closing: int
    forbidden: tuple[int, ...]


def nucleus(logits: Tensor, top_p: float, uniform: Tensor) -> Tensor:
    """Sample from the smallest set of tokens whose probability reaches `top_p`.

    Args:
        logits: (B, V').
        top_p: the nucleus's probability. The token that crosses it belongs to the nucleus.
        uniform: (B,) numbers in [0, 1), one per row; they determine the draw.

    Returns:
        (B,) token ids.
    """
    probabilities, order = logits.softmax(-1).sort(stable=True, dim=-1, descending=True)
    cumulative = probabilities.cumsum(-1)
    kept = probabilities * (cumulative - probabilities < top_p)
    thresholds = kept.cumsum(-1)
    rank = (thresholds <= (uniform * thresholds[:, -1])[:, None]).sum(-1)
    last = (kept > 0).sum(-1) - 1
    return order.gather(-1, torch.minimum(rank, last)[:, None])[:, 0]


def respond(
    reading: Reading,
    spans: Sequence[ReplySpan],
    ending: Ending,
    *,
    top_p: float,
    temperature: float,
    uniforms: Sequence[Sequence[float]],
) -> list[tuple[list[int], list[int]]]:
    """Continue after each reply's prefix: one nucleus sample and one greedy response.

    Args:
        reading: the window.
        spans: replies of that window. A reply that is listed twice is sampled twice; its greedy
            response is computed once.
        ending: how a response ends, and which tokens it may not contain.
        top_p: the nucleus's probability.
        temperature: divides the logits of the samples; greedy responses do not depend on it.
        uniforms: for each of `spans`, one number in [0, 1) per token that a response may have.

    Returns:
        For each of `spans`: (sampled ids, greedy ids), without the closing token.
    """
    count, steps = len(spans), len(uniforms[0])
    replies = list(dict.fromkeys(spans))
    rows = [*spans, *replies]  # B: samples, then greedy responses
    device = reading.hidden.device
    starts = torch.tensor([span.start for span in rows], device=device)
    draws = torch.tensor(uniforms, dtype=reading.hidden.dtype, device=device)  # (samples, steps)
    prefix = torch.arange(len(reading.window.ids), device=device) < starts[:, None]  # (B, T)
    cache = reading.cache(len(rows))
    hidden = reading.hidden[starts - 1]
    chosen: list[Tensor] = []
    done = torch.zeros(len(rows), dtype=torch.bool, device=device)
    for step in range(steps):
        logits = reading.model.logits(reading.parameters, hidden)
        logits[:, list(ending.forbidden)] = -torch.inf
        sampled = nucleus(logits[:count] / temperature, top_p, draws[:, step])
        token = torch.cat([sampled, logits[count:].argmax(-1)])
        chosen.append(token)
        done |= token == ending.closing
        if step == steps - 1 or bool(done.all()):
            break
        hidden = _read_on(reading, cache, prefix, token, starts + step)
    texts = [_until(ids, ending.closing) for ids in torch.stack(chosen, -1).tolist()]
    greedy = dict(zip(replies, texts[count:], strict=True))
    return [(text, greedy[span]) for text, span in zip(texts[:count], spans, strict=True)]


def _read_on(
    reading: Reading, cache: DynamicCache, prefix: Tensor, token: Tensor, position: Tensor
) -> Tensor:
    """Read each row's new token after its prefix and its earlier tokens; return (B, H)."""
    rows, window = prefix.shape
    own = torch.arange(cache.get_seq_length() - window + 1, device=prefix.device).expand(rows, -1)
    first = position - own.shape[1] + 1
    keys = torch.arange(window, device=prefix.device).expand(rows, -1)
    seen = Seen(
        torch.cat([prefix, torch.ones_like(own, dtype=torch.bool)], -1)[:, None],
        position[:, None],
        torch.cat([keys, first[:, None] + own], -1),
    )
    states = reading.model.hidden(reading.parameters, token[:, None], seen=seen, cache=cache)
    return states[:, 0]


def _until(ids: list[int], closing: int) -> list[int]:
    return ids[: ids.index(closing)] if closing in ids else ids

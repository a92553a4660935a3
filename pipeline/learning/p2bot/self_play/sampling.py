"""Continuations of many prompts at once, for self-play: top-k sampling or greedy, batched.

Unlike in `inference/responses.py`, every row has a prompt of its own. Only text and the closing
token can be generated, and an utterance has at least one token. No gradients.

B rows, V' vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from pipeline.model.inference.responses import Ending
from pipeline.model.network.language_model import LanguageModel, Parameters
from pipeline.model.sequences.masks import Seen


@dataclass(frozen=True)
class Policy:
    """How tokens are chosen; `top_k` 1 is greedy."""

    top_k: int
    temperature: float
    no_repeat_ngram: int  # n: no n-gram twice in an utterance
    max_new_tokens: int  # closing token included


def top_k(logits: Tensor, k: int, uniform: Tensor) -> Tensor:
    """Sample among the k likeliest tokens, renormalised.

    Args:
        logits: (B, V'), divided by the temperature.
        k: how many tokens; fewer if the others are at -inf.
        uniform: (B,) numbers in [0, 1), one per row: the draw is a function of them.

    Returns:
        (B,) token ids.
    """
    best, order = logits.topk(min(k, logits.shape[-1]), dim=-1)  # sorted
    thresholds = best.softmax(-1).cumsum(-1)
    rank = (thresholds <= (uniform * thresholds[:, -1])[:, None]).sum(-1)
    last = (best > -torch.inf).sum(-1) - 1
    return order.gather(-1, torch.minimum(rank, last)[:, None])[:, 0]


def repeating(ids: Sequence[int], n: int) -> list[int]:
    """Return the tokens that would complete an n-gram which `ids` already holds."""
    head = tuple(ids[len(ids) - n + 1 :])
    return [ids[i + n - 1] for i in range(len(ids) - n + 1) if tuple(ids[i : i + n - 1]) == head]


@torch.no_grad()
def continue_all(
    model: LanguageModel,
    parameters: Parameters,
    prompts: Sequence[Sequence[int]],
    ending: Ending,
    policy: Policy,
    uniforms: Tensor,
) -> list[tuple[list[int], bool]]:
    """Continue each prompt until its closing token or the limit.

    Args:
        model: f.
        parameters: θ and what is fixed.
        prompts: B of them, none empty.
        ending: how an utterance ends, and what it may not hold.
        policy: how tokens are chosen.
        uniforms: (B, max_new_tokens) numbers in [0, 1).

    Returns:
        For each row, its ids without the closing token, and whether it reached that token.
    """
    real, cache, hidden = _read(model, parameters, prompts, uniforms.device)
    lengths, places = real.sum(-1), torch.arange(real.shape[1], device=real.device)
    chosen: list[list[int]] = [[] for _ in prompts]
    for step in range(policy.max_new_tokens):
        logits = model.logits(parameters, hidden)
        logits[:, list(ending.forbidden)] = -torch.inf
        _block(logits, chosen, ending.closing, policy.no_repeat_ngram)
        token = top_k(logits / policy.temperature, policy.top_k, uniforms[:, step])
        for row, one in zip(chosen, token.tolist(), strict=True):
            row.append(one)
        if step == policy.max_new_tokens - 1 or all(ending.closing in row for row in chosen):
            break
        own = torch.arange(step + 1, device=real.device)
        mask = torch.cat([real, real.new_ones(len(prompts), step + 1)], -1)
        keys = torch.cat([places.expand(len(prompts), -1), lengths[:, None] + own], -1)
        seen = Seen(mask[:, None], keys[:, -1:], keys)
        hidden = model.hidden(parameters, token[:, None], seen=seen, cache=cache)[:, 0]
    return [_until(row, ending.closing) for row in chosen]


def _read(
    model: LanguageModel,
    parameters: Parameters,
    prompts: Sequence[Sequence[int]],
    device: torch.device,
) -> tuple[Tensor, DynamicCache, Tensor]:
    """Return a mask of real tokens, (B, T), keys and values, each prompt's last state, (B, H)."""
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    longest = int(lengths.max())
    padded = torch.tensor([[*p, *[0] * (longest - len(p))] for p in prompts], device=device)
    real = torch.arange(longest, device=device) < lengths[:, None]
    cache = DynamicCache()
    states = model.hidden(parameters, padded, cache=cache)
    return real, cache, states[torch.arange(len(prompts), device=device), lengths - 1]


def _block(logits: Tensor, chosen: Sequence[Sequence[int]], closing: int, n: int) -> None:
    """Set forbidden next tokens to -inf: the end of an empty utterance, an n-gram's second time."""
    for row, ids in zip(logits, chosen, strict=True):
        if not ids:
            row[closing] = -torch.inf
        row[repeating(ids, n)] = -torch.inf


def _until(ids: list[int], closing: int) -> tuple[list[int], bool]:
    return (ids[: ids.index(closing)], True) if closing in ids else (ids, False)

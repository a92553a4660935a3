"""Hits@1's 20 candidates scored the two ways that come to mind first, with `transformers`."""

from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2LMHeadModel

from benchmarks.dialogues import UTTERANCE, Size
from pipeline.model.sequences.encoding import Window


CANDIDATES = 20

Candidates = list[list[tuple[int, ...]]]  # reply -> candidate -> ids


def candidates(size: Size, window: Window, seed: int) -> Candidates:
    """Return 20 candidates for every reply of a dialogue: itself and 19 random ones.

    Real ones also begin alike here and there, which spares our side some 4 % more of the contexts.
    """
    random = Random(f"candidates/{seed}")
    return [
        [
            window.ids[span.start : span.end - 1],
            *(
                tuple(random.randrange(size.vocabulary) for _ in range(random.choice(UTTERANCE)))
                for _ in range(CANDIDATES - 1)
            ),
        ]
        for span in window.spans
    ]


@torch.no_grad()
def padded_batch(model: GPT2LMHeadModel, window: Window, replies: Candidates) -> list[list[float]]:
    """Score a reply's candidates as one padded batch of prefix + candidate, all logits."""
    scores = []
    for span, row in zip(window.spans, replies, strict=True):
        prefix = window.ids[: span.start]
        texts = [[*prefix, *ids] for ids in row]
        length = max(map(len, texts))
        batch = torch.tensor([text + [0] * (length - len(text)) for text in texts])
        logits = model(input_ids=batch, use_cache=False).logits
        scores.append([_nll(logits[i], ids, span.start) for i, ids in enumerate(row)])
    return scores


@torch.no_grad()
def separate_forwards(
    model: GPT2LMHeadModel, window: Window, replies: Candidates
) -> list[list[float]]:
    """Score every candidate by a forward pass of its own."""
    scores = []
    for span, row in zip(window.spans, replies, strict=True):
        prefix = window.ids[: span.start]
        texts = [torch.tensor([[*prefix, *ids]]) for ids in row]
        outputs = [model(input_ids=text, use_cache=False).logits[0] for text in texts]
        scores.append([_nll(out, ids, span.start) for out, ids in zip(outputs, row, strict=True)])
    return scores


def _nll(logits: Tensor, ids: tuple[int, ...], start: int) -> float:
    """Return a candidate's NLL from (T, V) logits; its first token stands at `start`."""
    before = logits[start - 1 : start - 1 + len(ids)]
    return F.cross_entropy(before, torch.tensor(ids), reduction="sum").item()

"""The blocked softmax over the vocabulary against the plain one."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from pipeline.model.inference import normaliser


@pytest.fixture(params=[torch.float32, torch.float64])
def parameters(make_learner, request):
    learner = make_learner(double=request.param == torch.float64)
    return learner.model, learner.parameters(learner.theta)


def states(parameters, count, scale=1.0):
    table = parameters["wte.weight"]
    generator = torch.Generator().manual_seed(0)
    return scale * torch.randn(count, table.shape[1], generator=generator, dtype=table.dtype)


@pytest.mark.parametrize("cells", [1, 37, 1 << 19])  # one column, uneven blocks, all in one
@pytest.mark.parametrize("rows", [2, 512])
@pytest.mark.parametrize("scale", [1.0, 1000.0])  # e to the power of such logits is infinite
@pytest.mark.parametrize("head", ["tied", "scaled", "capped", "biased"])
def test_nll_is_the_plain_cross_entropy(parameters, monkeypatch, cells, rows, scale, head):
    """Plain and special tokens; several targets of one state, none of another."""
    monkeypatch.setattr(normaliser, "_CELLS", {"cpu": cells})
    monkeypatch.setattr(normaliser, "_ROWS", rows)
    model, values = parameters
    hidden = states(values, 5, scale)
    asked = torch.tensor([0, 0, 4, 1, 3, 3])
    targets = torch.tensor([0, model.vocab_size - 1, model.vocab_size, model.vocab_size + 5, 7, 7])
    projection = model.projection(values)
    if head == "scaled":
        projection = replace(projection, scale=0.7)
    elif head == "capped":
        projection = replace(projection, scale=0.7, soft_cap=3.0)
    elif head == "biased":
        projection = replace(projection, bias=states(values, 306)[:, 0])
    nll = normaliser.nll(projection, hidden, asked, targets)
    expected = F.cross_entropy(projection.logits(hidden)[asked], targets, reduction="none")
    tolerance = {torch.float32: 3e-6, torch.float64: 1e-13}[hidden.dtype]
    torch.testing.assert_close(nll, expected, atol=tolerance * scale, rtol=0)
    assert (nll >= 0).all()
    assert nll[4] == nll[5]


def test_no_more_logits_are_held_than_was_promised(parameters, monkeypatch):
    sizes = []
    multiply = torch.mm

    def watched(a, b, *, out):
        sizes.append(out.numel())
        return multiply(a, b, out=out)

    monkeypatch.setattr(torch, "mm", watched)
    monkeypatch.setattr(normaliser, "_CELLS", {"cpu": 100})
    monkeypatch.setattr(normaliser, "_ROWS", 4)
    model, values = parameters
    targets = torch.zeros(10, dtype=torch.long)
    projection = model.projection(values)
    normaliser.nll(projection, states(values, 10), torch.arange(10), targets)
    columns = model.vocab_size + len(values["special.weight"])
    assert max(sizes) <= 100
    assert sum(sizes) == 10 * columns  # every logit, once

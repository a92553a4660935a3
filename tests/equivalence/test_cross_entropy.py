"""The hand-written loss against torch's own, to the second derivative."""

import pytest
import torch
from torch.nn import functional as F

from pipeline.model.derivatives import cross_entropy as module
from pipeline.model.derivatives.cross_entropy import tied_nll


TARGETS = torch.tensor([0, 8, 3, 6, 3])  # 7 plain entries, 2 special ones


@pytest.fixture(params=["whole", "in_blocks"], autouse=True)
def _vocabulary(request, monkeypatch):
    """Take the vocabulary whole, as one so small is, and in blocks of 3, 3 and 1."""
    if request.param == "in_blocks":
        monkeypatch.setattr(module, "_BLOCK", 3)


def inputs(*, table: bool):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return (
        draw(5, 3).requires_grad_(),
        draw(7, 3).requires_grad_(table),
        draw(5, 2).requires_grad_(),
    )


def plain(hidden, table, special):
    logits = torch.cat([hidden @ table.T, special], dim=-1)
    return F.cross_entropy(logits, TARGETS, reduction="none")


def ours(hidden, table, special):
    return tied_nll(hidden, table, special, TARGETS)


@pytest.mark.parametrize("table", [True, False])
def test_value_and_both_derivatives_are_torchs(table):
    values = inputs(table=table)
    wanted = [value for value in values if value.requires_grad]
    results = []
    for function in (ours, plain):
        nll = function(*values)
        weights = torch.linspace(0.5, 2, 5, dtype=torch.float64)
        first = torch.autograd.grad((weights * nll).sum(), wanted, create_graph=True)
        second = torch.autograd.grad(sum((g**3).sum() for g in first), wanted)
        results.append([nll.detach(), *(g.detach() for g in first), *second])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("table", [True, False])
def test_derivatives_are_finite_differences(table):
    values = inputs(table=table)
    assert torch.autograd.gradcheck(ours, values)
    assert torch.autograd.gradgradcheck(ours, values)


def test_one_gradient_alone_can_be_differentiated():
    """Where only the special rows move, the cotangents of the others are absent, not zero."""
    values = inputs(table=True)
    for function in (ours, plain):
        (first,) = torch.autograd.grad(function(*values).sum(), values[2], create_graph=True)
        second = torch.autograd.grad((first**2).sum(), values)
        if function is ours:
            mine = second
    for one, other in zip(mine, second, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_a_likelihood_that_underflows_is_still_a_number():
    hidden = torch.tensor([[1000.0]], requires_grad=True)
    nll = tied_nll(hidden, torch.tensor([[1.0], [-1.0]]), torch.zeros(1, 1), torch.tensor([1]))
    assert nll.item() == pytest.approx(2000.0)


def test_low_precision_products_keep_a_float32_loss():
    values = [value.float().detach().requires_grad_() for value in inputs(table=True)]
    with torch.autocast("cpu", torch.bfloat16):
        nll = ours(*values)
    assert nll.dtype == torch.float32
    torch.testing.assert_close(nll, plain(*values), rtol=0.05, atol=0.05)
    first = torch.autograd.grad(nll.sum(), values, create_graph=True)
    exact = torch.autograd.grad(plain(*values).sum(), values)
    for mine, theirs in zip(first, exact, strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine.detach(), theirs, rtol=0.05, atol=0.05)

"""The hand-written GELU and SiLU against torch's own, to the second derivative."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch.nn import functional as F

from pipeline.model.derivatives.gelu import Gelu, gelu
from pipeline.model.derivatives.silu import Silu, silu
from pipeline.model.derivatives.twice_differentiable import set_twice


class Activation(NamedTuple):
    own: Callable
    plain: Callable
    module: type[torch.nn.Module]
    kernel: str


GELU = Activation(gelu, partial(F.gelu, approximate="tanh"), Gelu, "Gelu")
SILU = Activation(silu, F.silu, Silu, "Silu")
SHAPES = [(41,), (2, 3, 7), (3, 2, 4, 2)]


@pytest.fixture(params=[GELU, SILU], ids=["gelu", "silu"])
def activation(request) -> Activation:
    return request.param


def points(*shape):
    """Points of all signs and sizes, none of them at random."""
    count = torch.Size(shape).numel()
    return torch.linspace(-6, 6, count, dtype=torch.float64).view(shape).requires_grad_()


@pytest.mark.parametrize("shape", SHAPES)
def test_value_and_both_derivatives_are_torchs(activation, shape):
    x = points(*shape)
    weights = torch.linspace(-1, 2, x.numel(), dtype=x.dtype).view(shape).requires_grad_()
    results = []
    for function in (activation.own, activation.plain):
        value = function(x)
        (first,) = torch.autograd.grad(value, x, weights, create_graph=True)
        second = torch.autograd.grad((first**3).sum(), (x, weights))
        results.append([value.detach(), first.detach(), *second])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_are_finite_differences(activation, shape):
    assert torch.autograd.gradcheck(activation.own, points(*shape))
    assert torch.autograd.gradgradcheck(activation.own, points(*shape))


def test_single_precision_is_kept_where_the_sigmoid_is_near_0_or_1(activation):
    """σ (1 - σ) by itself would lose all digits there."""
    x = torch.linspace(-8, 8, 801).requires_grad_()
    exact = x.detach().double().requires_grad_()
    results = []
    for function, at in ((activation.own, x), (activation.plain, exact)):
        (first,) = torch.autograd.grad(function(at).sum(), at, create_graph=True)
        results.append((first.detach(), *torch.autograd.grad(first.sum(), at)))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=0, atol=3e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_far_from_zero_it_is_a_number_and_its_precision_is_its_arguments(activation, dtype):
    x = torch.tensor([-1e7, -50.0, -1.0, 0.0, 1.0, 50.0, 1e7], dtype=dtype, requires_grad=True)
    value = activation.own(x)
    (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    tolerance = 4 * torch.finfo(dtype).eps
    theirs = activation.plain(x.double())
    torch.testing.assert_close(value.double(), theirs, rtol=tolerance, atol=tolerance)
    assert value.dtype == first.dtype == second.dtype == dtype
    assert torch.isfinite(torch.cat([value, first, second])).all()


def test_the_module_is_torchs_kernel_where_nothing_is_differentiated_twice(activation):
    x = points(41).float().detach()
    module, kernel = activation.module(), activation.kernel
    assert type(module(x.requires_grad_()).grad_fn).__name__ == f"_{kernel}Backward"
    with torch.no_grad():
        assert torch.equal(module(x), activation.plain(x))
    set_twice(torch.nn.Sequential(module), twice=False)
    assert type(module(x).grad_fn).__name__ == f"{kernel}Backward0"

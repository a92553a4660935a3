"""The hand-written attention against `transformers`' own, to the second derivative."""

import pytest
import torch
from transformers.models.gpt2.modeling_gpt2 import eager_attention_forward

from pipeline.model.derivatives.attention import TWICE, attention
from pipeline.model.sequences.masks import additive_mask
from tests.conftest import tiny_gpt2


SCALE = 0.7
MASKS = ["causal", "branches", "padded", "none"]


def inputs(batch=2, heads=2, length=5, width=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    shape = (batch, length, heads, width)  # as GPT-2's projection leaves it

    def draw():
        value = torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
        return value.transpose(1, 2).detach().requires_grad_()

    return draw(), draw(), draw()


def mask_of(kind, length=5, dtype=torch.float64):
    seen = torch.ones(2, length, length, dtype=torch.bool).tril()
    if kind == "branches":
        seen[1, 3:, 1:3] = False  # a branch does not see the one before it
    if kind == "padded":
        seen[1, :, :2] = False  # the first two see nothing, which is everything alike
    if kind == "none":
        seen[:] = True
    return additive_mask(seen, dtype)


def plain(query, key, value, mask, scale=SCALE):
    module = torch.nn.Module().eval()
    return eager_attention_forward(module, query, key, value, mask, scaling=scale)[0]


def ours(query, key, value, mask, scale=SCALE):
    return attention(query, key, value, mask, scale).transpose(1, 2)


@pytest.mark.parametrize("length", [1, 4, 5])
@pytest.mark.parametrize("kind", MASKS)
def test_value_and_both_derivatives_are_transformers(kind, length):
    values, mask = inputs(length=length), mask_of(kind, length)
    weights = torch.linspace(-1, 2, values[0].numel(), dtype=torch.float64)
    results = []
    for function in (ours, plain):
        output = function(*values, mask)
        cotangent = weights.view(output.shape).detach().requires_grad_()
        first = torch.autograd.grad(output, values, cotangent, create_graph=True)
        second = torch.autograd.grad(
            sum((g**3).sum() for g in first), (*values, cotangent), materialize_grads=True
        )
        results.append([output.detach(), *(g.detach() for g in first), *second])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["causal", "branches", "none"])  # the smallest number swallows
def test_derivatives_are_finite_differences(kind):
    mask = mask_of(kind, 4)

    def function(*values):
        return ours(*values, mask)

    assert torch.autograd.gradcheck(function, inputs(length=4))
    assert torch.autograd.gradgradcheck(function, inputs(length=4))


@pytest.mark.parametrize("place", range(3))
def test_one_gradient_alone_can_be_differentiated(place):
    """The cotangents of the other two are absent."""
    values, mask = inputs(), mask_of("branches")
    results = []
    for function in (ours, plain):
        output = (function(*values, mask) ** 2).sum()
        (first,) = torch.autograd.grad(output, values[place], create_graph=True)
        results.append(torch.autograd.grad((first**2).sum(), values))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


def test_a_mask_may_hide_what_comes_before_or_show_what_comes_after():
    """Halves are multiplied alone only where that is the same."""
    values = inputs()
    for seen in ((slice(0, 2), 4), (0, 3)):
        mask = mask_of("causal")
        mask[(0, 0, *seen)] = 0.0
        torch.testing.assert_close(ours(*values, mask), plain(*values, mask))


def test_low_precision_products_keep_float32_softmax():
    exact, mask = inputs(dtype=torch.float32), mask_of("branches", dtype=torch.float32)
    low = [value.detach().bfloat16().requires_grad_() for value in exact]
    with torch.autocast("cpu", torch.bfloat16):
        output = ours(*low, mask)
    first = torch.autograd.grad(output.float().sum(), low, create_graph=True)
    second = torch.autograd.grad(sum((g.float() ** 2).sum() for g in first), low)
    reference = plain(*exact, mask)
    wanted = torch.autograd.grad(reference.sum(), exact, create_graph=True)
    more = torch.autograd.grad(sum((g**2).sum() for g in wanted), exact)
    pairs = zip((output, *first, *second), (reference, *wanted, *more), strict=True)
    for mine, theirs in pairs:
        assert mine.dtype == torch.bfloat16
        torch.testing.assert_close(mine.float(), theirs, rtol=0.1, atol=0.1)


def test_gpt2_with_it_is_gpt2(tokenizer):
    """Through the extension point, with padding, without a gradient, and with cached keys."""
    network = tiny_gpt2(tokenizer, n_positions=32).transformer.eval().double()
    ids = torch.arange(14).view(2, 7)
    unpadded = torch.ones(2, 7, dtype=torch.long)
    unpadded[1, 5:] = 0
    results = []
    for name in ("eager", TWICE):
        network.set_attn_implementation(name)
        one = network(ids, attention_mask=unpadded).last_hidden_state
        first = torch.autograd.grad((one**2).sum(), list(network.parameters()), allow_unused=True)
        with torch.no_grad():
            start = network(ids[:, :4], use_cache=True)
            rest = network(ids[:, 4:], past_key_values=start.past_key_values)
        with_graph = network(ids[:, :4], use_cache=True)
        more = network(ids[:, 4:], past_key_values=with_graph.past_key_values)
        states = (start, rest, with_graph, more)
        results.append([one, *(g for g in first if g is not None), *(s[0] for s in states)])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-11)

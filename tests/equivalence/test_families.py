"""Any causal LM as φ: losses and meta-gradients against the model's own forward pass, unrolled.

Norms and softmax go up to float32 inside `transformers`, so float64 parameters agree to about
1e-5, not to 1e-14: the tolerances are theirs.
"""

import sys

import pytest
import torch

from pipeline.learning.meta import reference
from pipeline.model.inference.candidates import candidate_nll
from pipeline.model.inference.reading import read
from pipeline.model.inference.responses import Ending, respond
from pipeline.model.network.learner import build_learner
from pipeline.model.sequences.batching import collate, whole
from pipeline.model.sequences.masks import Seen
from pipeline.params import Adapters, Variant
from tests.conftest import a_dialogue
from tests.support.episodes import CPU, LR, episodes, ours, plain_tasks
from tests.support.families import FAMILIES, WINDOW, own_loss, own_names, tiny_model
from tests.support.plain_nll import plain_nll


TOLERANCE = {"rtol": 1e-4, "atol": 3e-6}
KINDS = ("bottleneck", "lora", "ia3")
# Norms and softmax go up by `.to(torch.float32)` or not at all, so a test can keep them in float64.
DIFFERENCES = (
    *[(name, None) for name in ("gpt2", "gpt_neox", "llama_tied", "qwen2", "qwen3")],
    *[(name, None) for name in ("mistral", "olmo2", "phi3", "granite")],
    *[("llama", phi) for phi in (None, *KINDS)],
)


def family_learner(tokenizer, family, phi=None, attention="eager", **places):
    """A learner in float64 on a tiny model; Φ is not at its start, where half of it is silent."""
    fixed = phi is not None
    learner = build_learner(
        Variant(init="pretrained", adapters=fixed, freeze_base=fixed),
        Adapters(kind=phi or "bottleneck", bottleneck=4, init_std=0.3, rank=2, alpha=4.0, **places),
        (tiny_model(family, len(tokenizer)), tokenizer),
        seed=1,
        attention=attention,
        device=CPU,
    )
    learner.model.to(torch.float64)
    generator = torch.Generator().manual_seed(2)
    for part in (learner.theta, learner.fixed):
        for name, value in part.items():
            part[name] = value.double()
            if any(mark in name for mark in (".adapter.up.", ".lora_B.", ".ia3_l")):
                part[name] += (0.1 if ".lora_B." in name else 0.3) * torch.randn(
                    value.shape, generator=generator
                )
    return learner


def unrolled(learner, family, tokenizer, kind, steps):
    """The meta-gradient by autograd through all steps of `transformers`' own forward pass."""
    model = tiny_model(family, len(tokenizer)).double()
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}

    def loss(theta, pieces):
        return own_loss(model, own_names(learner, learner.parameters(theta), model), pieces)

    tasks = plain_tasks(episodes(learner), steps)
    reference.outer_loss(theta, tasks, loss, LR, exact=kind == "exact").backward()
    return {name: value.grad for name, value in theta.items()}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_is_the_models_own(tokenizer, family, attention):
    learner = family_learner(tokenizer, family, attention=attention)
    pieces = [p for n in range(2) for p in whole(learner.encoder.encode(a_dialogue(n)))]
    model = tiny_model(family, len(tokenizer)).double()
    expected = own_loss(model, own_names(learner, learner.parameters(learner.theta), model), pieces)
    loss = learner.losses(learner.theta, collate(pieces, CPU))
    torch.testing.assert_close(loss.sum(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["exact", "first_order"])
@pytest.mark.parametrize("phi", [None, *KINDS])
@pytest.mark.parametrize("family", FAMILIES)
def test_meta_gradient_is_the_unrolled_one(tokenizer, family, phi, kind):
    learner = family_learner(tokenizer, family, phi)
    expected = unrolled(learner, family, tokenizer, kind, 2)
    gradient, _ = ours(learner, kind, 2)
    for name, value in expected.items():
        torch.testing.assert_close(gradient[name], value, **TOLERANCE, msg=lambda m, n=name: n + m)
    if phi is not None:
        stacked, _ = ours(learner, kind, 2, tasks_at_once=2)
        for name, value in expected.items():
            torch.testing.assert_close(stacked[name], value, **TOLERANCE)


class _Double:
    """`torch`, for a module of `transformers`; its float32 is float64."""

    def __getattr__(self, name):
        return torch.float64 if name == "float32" else getattr(torch, name)


@pytest.mark.parametrize(("family", "phi"), DIFFERENCES)
def test_exact_meta_gradient_is_the_finite_difference(tokenizer, family, phi, monkeypatch):
    """Central differences of the value through the model's own forward: no derivative of it.

    Along a random direction over all of θ at once, at two steps, extrapolated (Richardson).
    """
    model = tiny_model(family, len(tokenizer)).double()
    monkeypatch.setattr(sys.modules[type(model).__module__], "torch", _Double())
    learner = family_learner(tokenizer, family, phi)
    gradient, _ = ours(learner, "exact", 2)
    generator = torch.Generator().manual_seed(7)
    direction = {
        name: torch.randn(value.shape, generator=generator, dtype=value.dtype)
        for name, value in learner.theta.items()
    }
    tasks = plain_tasks(episodes(learner), 2)

    def loss(theta, pieces):
        return own_loss(model, own_names(learner, learner.parameters(theta), model), pieces)

    def outer_loss(step):
        theta = {n: (v + step * direction[n]).requires_grad_() for n, v in learner.theta.items()}
        return reference.outer_loss(theta, tasks, loss, LR, exact=False).item()

    coarse, fine = ((outer_loss(h) - outer_loss(-h)) / (2 * h) for h in (2e-5, 1e-5))
    own = sum((gradient[name] * direction[name]).sum() for name in gradient).item()
    assert own == pytest.approx((4 * fine - coarse) / 3, rel=1e-6)
    assert abs(own) > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_given_masks_slide(tokenizer, family):
    """A pass with an explicit mask and explicit positions is the pass without them."""
    learner = family_learner(tokenizer, family)
    parameters = learner.parameters(learner.theta)
    ids = torch.tensor([learner.encoder.encode(a_dialogue())[0].ids])
    length = ids.shape[1]
    assert length > 3 * WINDOW
    mask = torch.ones(1, length, length, dtype=torch.bool).tril()
    seen = Seen.each_other(mask, torch.arange(length)[None])
    given = learner.model.hidden(parameters, ids, seen=seen)
    torch.testing.assert_close(given, learner.model.hidden(parameters, ids), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_candidates_and_responses_are_plain_passes(tokenizer, family):
    """Read once with cached keys, beyond a sliding window: the same numbers as pass by pass."""
    learner = family_learner(tokenizer, family, attention="sdpa")
    window = learner.encoder.encode(a_dialogue())[0]
    span = window.spans[-1]
    with torch.no_grad():
        reading = read(learner.model, learner.parameters(learner.theta), window)
        candidates = [learner.encoder.segment(text) for text in ("i like dogs .", "the sea")]
        nll = candidate_nll(reading, [span], [candidates])[0]
        prefix = window.ids[: span.start]
        for value, ids in zip(nll, candidates, strict=True):
            assert value == pytest.approx(plain_nll(learner, prefix, ids), rel=1e-5)
        ending = Ending(learner.encoder.format.closing, learner.encoder.forbidden)
        (_, greedy), *_ = respond(
            reading, [span], ending, top_p=0.9, temperature=1.0, uniforms=[[0.5] * 12]
        )
        grown = list(prefix)
        for token in greedy:
            states = learner.model.hidden(reading.parameters, torch.tensor([grown]))
            logits = learner.model.logits(reading.parameters, states[0, -1:])
            logits[:, list(ending.forbidden)] = -torch.inf
            assert logits.argmax().item() == token
            grown.append(token)
    assert len(greedy) > 3


def test_special_rows_are_trained_with_phi_fixed(tokenizer):
    """Both tables' special rows of an untied model, and Φ; nothing else."""
    learner = family_learner(tokenizer, "llama", "bottleneck")
    own = {name for name in learner.theta if ".adapter." not in name}
    assert own == {"special.weight", "lm_head.special.weight"}

"""The paper's algorithms in plain lines, on losses whose meta-gradient is known in closed form."""

import pytest
import torch
from torch.func import functional_call

from pipeline.learning.meta import reference


ALPHA, BETA = 0.3, 0.1


def half_square(theta, centre):
    """½‖w - c‖²: an inner step of rate α takes w to w - α (w - c)."""
    return 0.5 * (theta["w"] - centre).square().sum()


@pytest.fixture
def tasks():
    points = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return [([first, second], query) for first, second, query in points]


def test_the_outer_gradient_is_the_closed_form(tasks):
    start = torch.ones(4, dtype=torch.float64)
    hats = []
    for (first, second), _ in tasks:
        once = start - ALPHA * (start - first)
        hats.append(once - ALPHA * (once - second))
    away = torch.stack([hat - query for hat, (_, query) in zip(hats, tasks, strict=True)])
    for exact, slope in ((True, (1 - ALPHA) ** 2), (False, 1.0)):
        theta = {"w": start.clone().requires_grad_()}
        total = reference.outer_loss(theta, tasks, half_square, ALPHA, exact=exact)
        assert total.item() == pytest.approx(0.5 * away.square().sum(1).mean().item())
        total.backward()
        torch.testing.assert_close(theta["w"].grad, slope * away.mean(0))


def test_an_outer_step_descends_and_the_start_is_not_changed(tasks):
    start = {"w": torch.ones(4, dtype=torch.float64)}
    theta = {"w": start["w"].clone().requires_grad_()}
    reference.outer_loss(theta, tasks, half_square, ALPHA).backward()
    once = reference.maml(start, lambda step: tasks, half_square, ALPHA, BETA, steps=1)
    torch.testing.assert_close(once["w"], start["w"] - BETA * theta["w"].grad)
    assert torch.equal(start["w"], torch.ones(4, dtype=torch.float64))
    seen = []
    many = reference.maml(
        start, lambda step: seen.append(step) or tasks, half_square, ALPHA, BETA, steps=1000
    )
    assert seen == list(range(1000))
    best = reference.outer_loss(many, tasks, half_square, ALPHA)
    (slope,) = torch.autograd.grad(best, many["w"])
    assert slope.abs().max() < 1e-8


def test_algorithm_2_is_the_same_function_with_fewer_tensors_in_theta():
    """φ is fixed because the loss holds it: the first layer's weight; Φ is the second's."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)).double()
    phi = {n: v.detach() for n, v in network.named_parameters() if n.startswith("0")}
    added = {n: v for n, v in network.named_parameters() if n.startswith("1")}

    def loss(theta, batch):
        inputs, targets = batch
        return (functional_call(network, {**phi, **theta}, inputs) - targets).square().mean()

    batch = (torch.randn(5, 3).double(), torch.randn(5, 1).double())
    trained = reference.maml(added, lambda _: [([batch], batch)], loss, ALPHA, BETA, steps=20)
    assert trained.keys() == added.keys()
    assert loss(trained, batch) < loss(added, batch)
    assert all(torch.equal(network.state_dict()[n], v) for n, v in phi.items())

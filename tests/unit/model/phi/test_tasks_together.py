"""Tasks in one pass where an architecture lays the sequences end to end in front of a matrix."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from pipeline.model.network.learner import build_learner
from pipeline.model.phi.bottleneck import Adapter
from pipeline.params import Adapters, Variant
from tests.support.episodes import CPU, ours


def opt(vocab_size):
    """A tiny OPT of random values: its `fc1` and `fc2` take (B T, H)."""
    config = AutoConfig.for_model(
        "opt",
        vocab_size=vocab_size,
        hidden_size=16,
        word_embed_proj_dim=16,
        ffn_dim=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=192,
        attn_implementation="eager",
    )
    with torch.random.fork_rng(devices=[]):
        model = AutoModelForCausalLM.from_config(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(0.3 * torch.randn(value.shape, generator=generator))
    return model


@pytest.mark.parametrize("kind", ["exact", "first_order"])
@pytest.mark.parametrize("phi", ["lora", "ia3"])
def test_tasks_together_are_tasks_one_by_one(tokenizer, phi, kind):
    params = Adapters(
        kind=phi, bottleneck=4, init_std=0.3, rank=2, alpha=4.0, targets=["fc1", "fc2", "k_proj"]
    )
    variant = Variant(init="pretrained", adapters=True, freeze_base=True)
    base = (opt(len(tokenizer)), tokenizer)
    learner = build_learner(variant, params, base, seed=1, attention="eager", device=CPU)
    learner.model.to(torch.float64)
    generator = torch.Generator().manual_seed(2)
    for part in (learner.theta, learner.fixed):
        for name, value in part.items():
            noise = 0.1 * torch.randn(value.shape, generator=generator)
            part[name] = (value + noise if part is learner.theta else value).double()
    alone, _ = ours(learner, kind, 2)
    together, _ = ours(learner, kind, 2, tasks_at_once=2)
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=3e-6)
        assert value.abs().max() > 1e-6


def test_a_bottleneck_takes_sequences_end_to_end():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(3, 5, 8, generator=generator)
    stacked = {
        name: torch.randn(3, *value.shape, generator=generator)
        for name, value in Adapter(8, 2).named_parameters()
    }
    call = torch.func.functional_call
    flat = call(Adapter(8, 2), stacked, states.flatten(0, 1))
    for number, sequence in enumerate(states):
        own = {name: value[number] for name, value in stacked.items()}
        expected = call(Adapter(8, 2), own, sequence)
        torch.testing.assert_close(flat[5 * number : 5 * (number + 1)], expected)

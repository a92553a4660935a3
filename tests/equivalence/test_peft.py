"""LoRA and (IA)³ against PEFT: the same numbers give the same logits and the same gradients."""

import pytest
import torch
from peft import IA3Config, LoraConfig, get_peft_model
from torch.nn import functional as F

from pipeline.model.base.architecture import architecture_of
from pipeline.model.network.language_model import LanguageModel
from pipeline.model.phi.insert import insert_phi
from pipeline.params import Adapters
from tests.support.families import tiny_model


pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")

VOCAB, SPECIAL = 40, 6
IDS = torch.randint(VOCAB, (2, 14), generator=torch.Generator().manual_seed(4))
# By family: LoRA's targets, (IA)³'s, and which of those rescale their inputs.
TARGETS = {
    "gpt2": (["c_attn", "c_proj"], ["c_attn", "mlp.c_proj"], ["mlp.c_proj"]),
    "gpt_neox": (["query_key_value"], ["query_key_value", "dense_4h_to_h"], ["dense_4h_to_h"]),
    "llama": (["q_proj", "down_proj"], ["k_proj", "v_proj", "down_proj"], ["down_proj"]),
    "qwen2": (["v_proj", "up_proj"], ["k_proj", "v_proj", "down_proj"], ["down_proj"]),
}


def ours(family, kind, targets):
    """Our model with Φ away from its start: (model, parameters, Φ's names)."""
    architecture = architecture_of(tiny_model(family, VOCAB))
    params = Adapters(kind=kind, bottleneck=1, init_std=1.0, rank=3, alpha=7.0, targets=targets)
    names = insert_phi(architecture.trunk, params, torch.Generator().manual_seed(3))
    model = LanguageModel(architecture, num_special=SPECIAL, attention="eager")
    parameters = model.take_parameters()
    generator = torch.Generator().manual_seed(5)
    for name in names:
        noise = 0.2 * torch.randn(parameters[name].shape, generator=generator)
        parameters[name] = (parameters[name] + noise).requires_grad_()
    return model, parameters, names


def pefts(family, kind, targets, before):
    config = (
        LoraConfig(r=3, lora_alpha=7, target_modules=targets, lora_dropout=0.0)
        if kind == "lora"
        else IA3Config(target_modules=targets, feedforward_modules=before)
    )
    config.fan_in_fan_out = family == "gpt2"
    return get_peft_model(tiny_model(family, VOCAB), config).eval()


@pytest.mark.parametrize("kind", ["lora", "ia3"])
@pytest.mark.parametrize("family", TARGETS)
def test_logits_and_gradients_are_pefts(family, kind):
    lora, ia3, before = TARGETS[family]
    targets = lora if kind == "lora" else ia3
    model, parameters, names = ours(family, kind, targets)
    other = pefts(family, kind, targets, before)
    prefix = next(n for n, m in other.named_modules() if m is other.base_model.model.get_decoder())
    theirs = {}
    for name, value in other.named_parameters():
        if value.requires_grad:
            own = name.removeprefix(f"{prefix}.").replace(".default", "")
            theirs[own] = value
            with torch.no_grad():
                value.copy_(parameters[own])
    assert sorted(theirs) == sorted(names)
    logits = model.logits(parameters, model.hidden(parameters, IDS))
    expected = other(IDS, use_cache=False).logits
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    losses = [
        F.cross_entropy(x[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()) for x in (logits, expected)
    ]
    one = torch.autograd.grad(losses[0], [parameters[name] for name in names])
    two = torch.autograd.grad(losses[1], [theirs[name] for name in names])
    for name, mine, peft in zip(names, one, two, strict=True):
        torch.testing.assert_close(mine, peft, rtol=1e-3, atol=1e-5, msg=lambda m, n=name: n + m)
        assert mine.abs().max() > 1e-5

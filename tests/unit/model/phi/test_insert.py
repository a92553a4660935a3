"""Φ of every kind: Eq. 2 at the start, where it goes, what is refused."""

import math

import pytest
import torch
from pydantic import ValidationError

from pipeline.errors import ModelError, ParamsError
from pipeline.model.base.architecture import architecture_of
from pipeline.model.network.language_model import LanguageModel
from pipeline.model.phi.insert import insert_phi
from pipeline.params import Adapters
from tests.support.families import FAMILIES, tiny_model


VOCAB = 40
KINDS = ("bottleneck", "lora", "ia3")


def adapters(kind, **options):
    return Adapters(**{"kind": kind, "bottleneck": 4, "init_std": 0.3, "rank": 2} | options)


def with_phi(family, params, layers=2, **options):
    """A model with Φ as it starts: (model, its parameters, Φ's names)."""
    architecture = architecture_of(tiny_model(family, VOCAB, num_hidden_layers=layers, **options))
    names = insert_phi(architecture.trunk, params, torch.Generator().manual_seed(3))
    model = LanguageModel(architecture, num_special=6, attention="eager")
    return model, model.take_parameters(), names


def last_states(model, parameters):
    ids = torch.randint(VOCAB - 6, (2, 12), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model.hidden(parameters, ids)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_f_is_unchanged_at_the_start(family, kind):
    """Eq. 2, to the bit; and the first gradient by Φ is not zero everywhere."""
    plain = LanguageModel(
        architecture_of(tiny_model(family, VOCAB)), num_special=6, attention="eager"
    )
    model, parameters, names = with_phi(family, adapters(kind))
    assert torch.equal(last_states(model, parameters), last_states(plain, plain.take_parameters()))
    leaves = {name: parameters[name].clone().requires_grad_() for name in names}
    ids = torch.tensor([[1, 2, 3, 4]])
    states = model.hidden(parameters | leaves, ids)
    gradients = torch.autograd.grad(states.square().sum(), list(leaves.values()))
    assert sum(gradient.abs().sum() for gradient in gradients) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_named_blocks_have_phi(kind):
    _, _, names = with_phi("llama", adapters(kind, blocks=[1, 2]), layers=4)
    assert {name.split(".")[1] for name in names} == {"1", "2"}
    _, _, all_names = with_phi("llama", adapters(kind), layers=4)
    assert {name.split(".")[1] for name in all_names} == {"0", "1", "2", "3"}
    assert len(all_names) == 2 * len(names)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_that_are_not_there_are_refused(kind):
    with pytest.raises(ParamsError, match=r"adapters.blocks: \[1, 2\], but .* 0 to 1$"):
        with_phi("llama", adapters(kind, blocks=[1, 2]))


@pytest.mark.parametrize(
    ("family", "kind", "last"),
    [
        ("llama", "lora", {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ("gpt2", "lora", {"c_attn", "c_proj"}),
        ("gpt_neox", "lora", {"query_key_value", "dense"}),
        ("llama", "ia3", {"k_proj", "v_proj", "down_proj"}),
        ("gpt2", "ia3", {"c_attn", "c_proj"}),
        ("gpt_neox", "ia3", {"query_key_value", "dense_4h_to_h"}),
        ("phi3", "ia3", {"qkv_proj", "down_proj"}),
    ],
)
def test_places_by_default(family, kind, last):
    _, _, names = with_phi(family, adapters(kind))
    layers = {name.split(".lora_")[0].removesuffix(".ia3_l") for name in names}
    assert {layer.rpartition(".")[2] for layer in layers} == last
    if (family, kind) == ("gpt2", "ia3"):
        assert "h.0.mlp.c_proj.ia3_l" in names
        assert "h.0.attn.c_proj.ia3_l" not in names
    if (family, kind) == ("gpt2", "lora"):
        assert not any(".mlp." in name for name in names)


def test_shapes_are_pefts():
    _, parameters, names = with_phi("llama", adapters("lora", targets=["down_proj"]))
    assert sorted(names) == [
        f"layers.{n}.mlp.down_proj.lora_{part}.weight" for n in (0, 1) for part in "AB"
    ]
    assert parameters["layers.0.mlp.down_proj.lora_A.weight"].shape == (2, 24)
    assert parameters["layers.0.mlp.down_proj.lora_B.weight"].shape == (16, 2)
    _, parameters, _ = with_phi("llama", adapters("ia3"))
    assert parameters["layers.0.mlp.down_proj.ia3_l"].shape == (1, 24)
    assert parameters["layers.0.self_attn.k_proj.ia3_l"].shape == (8, 1)


def test_lora_starts_as_peft_does():
    _, parameters, _ = with_phi("llama", adapters("lora", rank=8))
    first = parameters["layers.0.self_attn.q_proj.lora_A.weight"]
    bound = 1 / math.sqrt(16)  # Kaiming uniform with a = √5: ±1/√inputs
    assert 0.8 * bound < first.abs().max() <= bound
    assert not parameters["layers.0.self_attn.q_proj.lora_B.weight"].any()


@pytest.mark.parametrize("pattern", ["*.q_proj", "q_proj", "layers.*.self_attn.q_proj"])
def test_a_pattern_names_layers(pattern):
    _, _, names = with_phi("llama", adapters("lora", targets=[pattern]))
    assert {n.split(".lora_")[0].rpartition(".")[2] for n in names} == {"q_proj"}
    assert len(names) == 4


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_a_pattern_that_matches_nothing_is_refused(kind):
    with pytest.raises(
        ParamsError, match=r"'query' matches no matrix of the blocks with Φ; there are q_proj, k_"
    ):
        with_phi("llama", adapters(kind, targets=["q_proj", "query"]))


def test_bottlenecks_need_one_attention_and_one_mlp():
    params = adapters("bottleneck")
    trunk = architecture_of(tiny_model("llama", VOCAB)).trunk
    trunk.layers[1].mlp = torch.nn.Identity()
    with pytest.raises(ModelError, match=r"take adapters\.kind lora"):
        insert_phi(trunk, params, torch.Generator())


def test_ia3_without_its_usual_places_asks_for_targets():
    trunk = architecture_of(tiny_model("llama", VOCAB)).trunk
    for layer in trunk.layers:
        layer.self_attn.key, layer.self_attn.value = layer.self_attn.k_proj, layer.self_attn.v_proj
        del layer.self_attn.k_proj, layer.self_attn.v_proj
        layer.mlp = torch.nn.Identity()
    with pytest.raises(ParamsError, match=r"no matrices that ia3 takes by itself; name some: q_pr"):
        insert_phi(trunk, adapters("ia3"), torch.Generator())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "prefix"}, "change f at the start, so Eq. 2 does not hold"),
        ({"kind": "prompt_tuning"}, "change f at the start, so Eq. 2 does not hold"),
        ({"kind": "dora"}, "'bottleneck', 'lora' or 'ia3'"),
        ({"rank": 0}, "greater than or equal to 1"),
        ({"alpha": 0.0}, "greater than 0"),
        ({"blocks": [2, 1]}, r"the first comes before the last, found \[2, 1\]"),
        ({"blocks": [1]}, "at least 2 items"),
        ({"blocks": "upper"}, "'all'"),
        ({"targets": []}, "at least 1 item"),
    ],
)
def test_values_that_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        adapters(**{"kind": "lora"} | options)

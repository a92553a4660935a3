"""A base that the learner reads rightly passes; every other one is refused with the difference."""

from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from pipeline.errors import ModelError
from pipeline.model.base.architecture import Architecture, architecture_of, branches_of
from pipeline.model.network.language_model import LanguageModel
from pipeline.model.network.self_check import require_own_logits
from tests.support.families import FAMILIES, tiny_model


VOCABULARY = 60
CHANGES = {"scale": lambda z: 1.1 * z, "cap": torch.tanh, "shift": lambda z: z.roll(1, -1)}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_known_architecture_passes_unchanged(family):
    model = tiny_model(family, VOCABULARY)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert require_own_logits(model) < 1e-5
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.config._attn_implementation == "eager"


def with_hook(change):
    """A tiny Llama whose own forward does something that nobody is told of."""
    model = tiny_model("llama", VOCABULARY)
    model.lm_head.register_forward_hook(lambda module, inputs, output: change(output))
    return model


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_unknown_step_after_the_head_is_refused(change):
    with pytest.raises(ModelError, match=r"llama, called .*difference [\d.e-]+ of the largest"):
        require_own_logits(with_hook(change))


@pytest.mark.parametrize(
    ("family", "wrong"),
    [
        ("gemma3", {"embedding_scale": 1.0}),
        ("mistral", {"window": None}),
        ("gemma3", {"mixes_windows": False}),
    ],
)
def test_an_answer_that_is_wrong_is_found(monkeypatch, family, wrong):
    if "mixes_windows" in wrong:
        monkeypatch.setattr(Architecture, "mixes_windows", wrong.pop("mixes_windows"))

    def answered(model):
        return replace(architecture_of(model), **wrong)

    monkeypatch.setattr("pipeline.model.network.self_check.architecture_of", answered)
    with pytest.raises(ModelError, match="not the model's own"):
        require_own_logits(tiny_model(family, VOCABULARY))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_local_experts": 4}, "num_local_experts is 4; a mixture of experts"),
        ({"moe_num_experts": 8}, "moe_num_experts is 8; a mixture of experts"),
        ({"layer_types": ["linear_attention"]}, "layers of kind linear_attention"),
    ],
)
def test_a_kind_that_is_not_exact_is_refused_by_name(options, message):
    model = tiny_model("llama", VOCABULARY)
    for key, value in options.items():
        setattr(model.config, key, value)
    with pytest.raises(ModelError, match=message):
        require_own_logits(model)


SIZES = {"hidden_size": 16, "num_attention_heads": 2, "vocab_size": VOCABULARY}
BY_PLACE = {
    "mpt": {"d_model": 16, "n_heads": 2, "n_layers": 2, "max_seq_len": 2048},  # ALiBi
    "trocr": {"d_model": 16, "decoder_layers": 2}
    | {"decoder_attention_heads": 2, "decoder_ffn_dim": 24},
    "gpt_neo": {"num_layers": 2, "attention_types": [[["global", "local"], 1]]}
    | {"num_heads": 2, "intermediate_size": 24, "window_size": 256},
}


@pytest.mark.parametrize("kind", BY_PLACE)
def test_positions_from_the_place_in_the_pass_are_refused(kind):
    """Candidates side by side would be read at wrong positions, or beyond a local window."""
    config = AutoConfig.for_model(kind, **(SIZES | BY_PLACE[kind]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1 and "position" not in name:
                value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    with pytest.raises(ModelError, match=f"{kind}, called .* beside a branch: .*not the model's"):
        require_own_logits(model)


def test_a_head_that_is_called_decoder_is_not_the_trunk():
    """`get_decoder` of `transformers` returns whatever has that name."""
    model = tiny_model("llama", VOCABULARY)
    model.decoder = model.lm_head
    assert model.get_decoder() is model.lm_head
    assert architecture_of(model).trunk is model.model
    assert require_own_logits(model) < 1e-5


def test_a_model_without_a_trunk_of_its_own_is_refused():
    model = tiny_model("llama", VOCABULARY)
    model.model.get_decoder = lambda: model.lm_head
    with pytest.raises(ModelError, match="llama: LlamaForCausalLM has no trunk apart from its"):
        architecture_of(model)


def test_what_stands_between_trunk_and_head_is_named():
    """ModernBERT's decoders have a layer there, and call their head `decoder`."""
    sizes = SIZES | {"intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = AutoConfig.for_model("modernbert-decoder", **sizes, pad_token_id=0)
    model = AutoModelForCausalLM.from_config(config)
    match = r"modernbert-decoder: lm_head\.dense\.weight is neither in its trunk nor in its linear"
    with pytest.raises(ModelError, match=match) as refusal:
        architecture_of(model)
    assert "\n" not in str(refusal.value)


def test_a_short_context_has_room_for_a_branch():
    assert require_own_logits(tiny_model("llama", VOCABULARY, max_position_embeddings=32)) < 1e-5


@pytest.mark.parametrize("context", [1, 4, 22])
def test_a_context_without_room_for_the_check_is_named(context):
    model = tiny_model("llama", VOCABULARY, max_position_embeddings=context)
    with pytest.raises(
        ModelError, match=rf"llama: a longest context of {context} tokens; .* 23 are"
    ):
        require_own_logits(model)


def test_the_shortest_context_is_long_enough():
    assert require_own_logits(tiny_model("llama", VOCABULARY, max_position_embeddings=23)) < 1e-5


def test_a_block_without_one_attention_and_one_mlp_takes_no_bottlenecks():
    with pytest.raises(ModelError, match="0 modules called Attention"):
        branches_of(torch.nn.Sequential(torch.nn.Linear(2, 2)))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("kind", "longest"), [("longrope", 64), ("dynamic", 64), ("default", 192)])
def test_a_rotary_table_that_changes_with_the_length_bounds_the_context(kind, longest, nested):
    model = tiny_model("gemma3" if nested else "llama", VOCABULARY)
    table = {"rope_type": kind, "rope_theta": 1e4, "original_max_position_embeddings": 64}
    plain = {"rope_type": "default", "rope_theta": 1e4}
    by_layer = {"sliding_attention": plain, "full_attention": table}
    model.config.rope_parameters = by_layer if nested else table
    assert architecture_of(model).context == longest


def test_an_architecture_that_keeps_fused_attention_has_no_exact_gradient():
    """Falcon does not let its attention be chosen after it is built."""
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(
            "falcon",
            vocab_size=VOCABULARY,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
        ),
        attn_implementation="sdpa",
    )
    learner = LanguageModel(architecture_of(model), num_special=6, attention="eager")
    with pytest.raises(ModelError, match="found `sdpa`"):
        learner.require_twice_differentiable()

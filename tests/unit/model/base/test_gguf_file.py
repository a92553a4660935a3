"""Models from .gguf files: what is refused, and before what; facts of published files."""

from pathlib import Path

import pytest
from transformers import CONFIG_MAPPING
from transformers.integrations import GGUF_CONFIG_MAPPING

from pipeline.errors import ModelError
from pipeline.model.base import gguf_file
from pipeline.model.base.configuration import config_of
from pipeline.model.files.gguf_facts import refuse_lost_facts
from pipeline.model.pretraining.build import build_base
from tests.support.bases import base_params, ignore


@pytest.mark.parametrize("name", ["none.gguf", "none.GGUF"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    source = base_params(str(tmp_path / name))
    with pytest.raises(ModelError, match=rf"{name}': no such file"):
        build_base(source, tmp_path / "text", tmp_path / "base", advance=ignore)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"PK\x03\x04 a pickle, say")
    with pytest.raises(ModelError, match="not a GGUF file"):
        gguf_file.read_gguf(path)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setattr(gguf_file, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs gguf and accelerate; pip install .*\[gguf\]"):
        gguf_file.read_gguf(path)


def test_a_file_that_is_cut_short_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00")
    monkeypatch.setattr(gguf_file, "find_spec", lambda name: object())
    with pytest.raises(ModelError, match="transformers cannot read this file") as caught:
        gguf_file.read_gguf(path)
    assert "\n" not in str(caught.value)


KINDS = {"gemma3": "gemma3_text"}  # transformers' names, where they are others
SIZES = {"vocab_size": 32000, "feed_forward_length": 512}
HEADS = {"block_count": 4, "attention.head_count": 8, "attention.head_count_kv": 4}
RMS = {"attention.layer_norm_rms_epsilon": 9.999999974752427e-07}
PER_HEAD = {"attention.key_length": 64, "attention.value_length": 64}
WIDE = {"attention.key_length": 256, "attention.value_length": 256}
LONG = {"context_length": 8192, "embedding_length": 512}
PLAIN = SIZES | HEADS | LONG
# What the converter of llama.cpp writes for published models, the sizes aside.
PUBLISHED = {
    "llama": PLAIN | RMS | PER_HEAD | {"rope.dimension_count": 64, "rope.freq_base": 5e5},
    "qwen2": PLAIN | RMS | {"rope.freq_base": 1e6},
    "qwen3": PLAIN | RMS | {"attention.key_length": 128, "attention.value_length": 128},
    "phi3": PLAIN
    | {"rope.scaling.original_context_length": 4096, "attention.sliding_window": 262144}
    | {"rope.dimension_count": 64, "attention.layer_norm_rms_epsilon": 1e-5},
    "gemma2": PLAIN
    | {**WIDE, **RMS}
    | {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
    | {"attention.sliding_window": 4096},
    "gemma3": PLAIN | {"rope.freq_base": 1e6, "attention.sliding_window": 512, **RMS, **WIDE},
    "stablelm": PLAIN
    | {"rope.dimension_count": 16, "attention.layer_norm_epsilon": 9.999999747378752e-06}
    | {"use_parallel_residual": True},
    "nemotron": PLAIN
    | {"rope.dimension_count": 32, "attention.layer_norm_epsilon": 9.999999747378752e-06}
    | {"rope.scaling.type": "none"},
    "falcon": SIZES
    | LONG
    | {"block_count": 4, "attention.head_count": 8, "attention.head_count_kv": 1}
    | {"attention.layer_norm_epsilon": 1e-5, "tensor_data_layout": "jploski"},
    "starcoder2": {k: v for k, v in PLAIN.items() if k != "vocab_size"}
    | {"rope.freq_base": 10000.0, "attention.layer_norm_epsilon": 9.999999747378752e-06},
    "gpt2": {"block_count": 4, "context_length": 1024, "attention.head_count": 8}
    | {"embedding_length": 512, "feed_forward_length": 2048}
    | {"attention.layer_norm_epsilon": 9.999999747378752e-06},
}


def judge(architecture, facts, **others):
    """Make a configuration of facts by transformers' table, and compare it with all of them."""
    table = GGUF_CONFIG_MAPPING[architecture]
    values = {table[fact]: value for fact, value in facts.items() if table.get(fact)}
    made = CONFIG_MAPPING[KINDS.get(architecture, architecture)](**values)
    config = config_of(made.to_dict(), "a.gguf")
    named = {f"{architecture}.{fact}": value for fact, value in facts.items()}
    general = {"general.architecture": architecture, "general.name": "x", "split.count": 1}
    refuse_lost_facts(general | named | others, config, Path("a.gguf"))


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_the_facts_of_published_files_are_those_of_the_model(architecture):
    judge(architecture, PUBLISHED[architecture])


@pytest.mark.parametrize(
    ("architecture", "fact", "value"),
    [
        ("starcoder2", "rope.freq_base", 999999.0),
        ("starcoder2", "attention.sliding_window", 4096),
        ("stablelm", "rope.freq_base", 1e6),
        ("stablelm", "rope.dimension_count", 64),
        ("phi3", "attention.sliding_window", 2047),
        ("phi3", "rope.dimension_count", 48),
        ("gemma2", "attn_logit_softcapping", 20.0),
        ("gemma2", "final_logit_softcapping", 0.0),
        ("gemma3", "rope.scaling.factor", 8.0),
        ("gemma3", "rope.freq_base_swa", 20000.0),
        ("gemma3", "attention.sliding_window_pattern", [True, False] * 2),
        ("qwen3", "attention.key_length", 64),
        ("falcon", "attention.head_count_kv", 8),
        ("falcon", "attention.sliding_window", 64),
        ("nemotron", "attention.layer_norm_epsilon", 1e-6),
        ("llama", "attention.value_length", 32),
        ("llama", "expert_count", 8),
        ("llama", "rope.freq_base_4096", 10000.0),  # the reader's name of what stands there twice
        ("gpt2", "rope.freq_base", 10000.0),
    ],
)
def test_a_fact_that_the_model_does_not_have_is_named(architecture, fact, value):
    with pytest.raises(ModelError, match=rf"a\.gguf: {architecture}\.{fact} is .*; give a folder"):
        judge(architecture, PUBLISHED[architecture] | {fact: value})


@pytest.mark.parametrize(
    ("architecture", "fact"), [("stablelm", "rope.dimension_count"), ("gemma3", "rope.freq_base")]
)
def test_a_fact_that_is_not_said_is_not_the_classes(architecture, fact):
    facts = {name: value for name, value in PUBLISHED[architecture].items() if name != fact}
    with pytest.raises(ModelError, match=rf"{architecture}\.{fact} is .* would have"):
        judge(architecture, facts)


@pytest.mark.parametrize(
    ("architecture", "facts", "scale"),
    [
        ("gemma2", {"block_count": 46, "embedding_length": 1152}, 144),
        ("gemma3", {"block_count": 62, "embedding_length": 1344}, 168),
        ("gemma2", PER_HEAD, 64),
    ],
)
def test_gemmas_queries_are_scaled_as_the_file_means_it(architecture, facts, scale):
    """No file has the number; transformers would take the default of its class."""
    with pytest.raises(ModelError, match=rf"query_pre_attn_scalar is {scale}, .* would have 256"):
        judge(architecture, PUBLISHED[architecture] | facts)


def test_a_fact_of_another_architecture_is_refused():
    """`transformers` takes facts of every architecture that it knows."""
    with pytest.raises(
        ModelError, match=r"qwen2\.rope\.freq_base is a fact of another arch.*llama"
    ):
        judge("llama", PUBLISHED["llama"], **{"qwen2.rope.freq_base": 1e6})
    judge("llama", PUBLISHED["llama"], **{"somebody.made_by": "x"})

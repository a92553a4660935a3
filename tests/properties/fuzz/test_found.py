"""What fuzzing and attacks have found, each as it was: refused in a line, at once."""

import json
import resource

import pytest

from pipeline.errors import ParamsError, PipelineError
from pipeline.params.settings import settings_of
from tests.faults.fuzz.all import named
from tests.faults.fuzz.model_targets import KINDS, folder_of
from tests.faults.fuzz.out_targets import OUTS
from tests.wiring.closure import ROOT


def refused(name, content, folder, match):
    (folder / "in").mkdir()
    with pytest.raises(PipelineError, match=match) as caught:
        named(name).read(content, folder / "in")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\3srun 'a b", "MAMLVIAPP_LAUNCHER=.*No closing quotation"),
        (b"\4~nobody-of-this-name/a.tgz", "no home of that user is known"),
        (b"\4a\nb\x1b[31m.tgz", r"PERSONACHAT_TGZ: a\\nb\\x1b\[31m.tgz: no such file"),
        (b"\000999999", "from 1 to 9999"),
    ],
    ids=["quotation", "user", "controls", "workers"],
)
def test_an_environment(content, match, tmp_path):
    refused("environment", content, tmp_path, match)


def test_a_mark_of_a_version_that_no_header_can_hold(tmp_path):
    """The answer is cut, so that the rest is asked for with the server's own mark."""
    whole = named("http").seeds()[0].replace(b'"a"', b'"\x8b"')
    refused("http", whole[:-100], tmp_path, "peer closed connection|the answer ended after")


@pytest.mark.parametrize("key", ["data.source", "data.pretrain", "base.source"])
def test_a_home_of_nobody_in_params(key):
    section, name = key.split(".")
    text = (ROOT / "presets/embedded.yaml").read_text(encoding="utf-8")
    head, found, tail = text.partition(f"\n{section}:\n")
    before, line, after = tail.partition(f"  {name}: ")
    text = f"{head}{found}{before}{line}~nobody-of-this-name/x #{after}"
    with pytest.raises(ParamsError, match=f"{key}: .*no home of that user is known"):
        settings_of(text, "params.yaml")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"context": "x"}, "base.json: context: Input should be a valid integer"),
        ({"context": 0}, "base.json: context: Input should be greater"),
        ({"context": 10**9}, "base.json: context 1000000000, the model's longest is 256"),
        ({"dtype": "int8"}, "base.json: dtype: Input should be 'float32' or 'bfloat16'"),
    ],
    ids=["text", "none", "longer", "type"],
)
def test_a_bases_facts(changes, match, tmp_path):
    target = named("outs")
    number = OUTS.index("models/base/base.json")
    values = json.loads(target.seeds()[number][1:]) | changes
    refused("outs", bytes([number]) + json.dumps(values).encode(), tmp_path, match)


@pytest.mark.parametrize("kind", ["gpt2", "qwen2", "gemma2"])
def test_a_configuration_of_endless_layers_takes_no_memory(kind, tmp_path):
    values = json.loads((folder_of(kind) / "config.json").read_text())
    key = "n_layer" if kind == "gpt2" else "num_hidden_layers"
    values = {k: v for k, v in values.items() if k != "layer_types"} | {key: 10**9}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    content = bytes([KINDS.index(kind)]) + json.dumps(values).encode()
    refused("config", content, tmp_path, "is 1000000000; at most 160 are read")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


@pytest.mark.parametrize("count", [161, 10**9])
def test_a_configuration_that_repeats_a_layer_endlessly_takes_no_memory(count, tmp_path):
    types = [[["global", "local"], count]]
    values = {"model_type": "gpt_neo", "num_layers": 2, "attention_types": types}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    content = b"\0" + json.dumps(values).encode()
    refused("config", content, tmp_path, f"attention_types repeats something {count} times")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
@pytest.mark.parametrize("key", ["rms_norm_eps"])
def test_a_configuration_with_a_number_that_is_not_finite(key, number, tmp_path):
    content = (folder_of("llama") / "config.json").read_text()
    content = content.replace("{", f'{{"{key}": {number},', 1).replace(
        '"rms_norm_eps": 1e-06', '"x": 1'
    )
    refused(
        "config",
        bytes([KINDS.index("llama")]) + content.encode(),
        tmp_path,
        "config.json: not JSON",
    )


def test_two_entries_of_a_vocabulary_with_one_id(tmp_path):
    values = json.loads(named("tokenizer").seeds()[0][1:])
    vocabulary = values["model"]["vocab"]
    one, other = [entry for entry in vocabulary if len(entry) == 2][:2]
    vocabulary[one] = vocabulary[other]
    content = b"\0" + json.dumps(values).encode()
    refused("tokenizer", content, tmp_path, "the tokenizer (contradicts itself|changes text)")


def test_a_chat_template_that_is_no_text(tmp_path):
    refused("template", b"{{ \xba }}", tmp_path, r"chat_template.jinja: not UTF-8 text")

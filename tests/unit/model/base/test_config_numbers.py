"""Numbers of a stranger's config.json that no model has, and the library's remarks on it."""

import json

import pytest

from pipeline.errors import ModelError
from pipeline.model.base.architecture import longest_context
from pipeline.model.base.configuration import config_of, read_config
from pipeline.model.base.huggingface_folder import read_model
from pipeline.model.base.tokenizer import load_tokenizer, train_tokenizer
from pipeline.model.base.tokenizer_files import END_OF_TEXT
from tests.conftest import LINES
from tests.support.families import tiny_model
from tests.unit.model.base.test_refused_models import written


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("n_head", -2, r"config\.json: n_head is -2; a number from 0 on is needed"),
        ("n_layer", -1, r"config\.json: n_layer is -1; a number from 0 on is needed"),
        ("layer_norm_epsilon", float("nan"), r"config\.json: not JSON \(NaN is no number"),
        ("layer_norm_epsilon", float("inf"), r"config\.json: not JSON \(Infinity is no number"),
        ("n_layer", "2", r"config\.json: not a configuration of gpt2: .*n_layer"),
        ("n_head", 3, r"config\.json: not a configuration of gpt2: .*num_heads"),
    ],
)
def test_numbers_that_no_model_has_are_one_line(key, value, match, tmp_path, capfd):
    """Nothing of the library's own stands beside it."""
    written(tmp_path / "b", tiny_model("gpt2", 300))
    path = tmp_path / "b/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    capfd.readouterr()
    with pytest.raises(ModelError, match=match) as refusal:
        read_model(tmp_path / "b")
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_the_librarys_remarks_on_a_file_are_not_printed(tmp_path, capfd):
    written(tmp_path / "b", tiny_model("gpt2", 300))
    path = tmp_path / "b/config.json"
    odd = {"pad_token_id": 5000, "rope_scaling": {"type": "x"}}
    values = json.loads(path.read_text()) | odd
    capfd.readouterr()
    config_of(values, "config.json")
    assert capfd.readouterr() == ("", "")


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 48}
THETA = {"rope_theta": 10000.0}


@pytest.mark.parametrize(
    ("kind", "changes", "match"),
    [
        (
            "llama",
            {"rope_parameters": YARN | {"factor": -4.0}},
            r"rope_parameters\.factor is -4\.0",
        ),
        (
            "llama",
            {"rope_scaling": YARN | {"factor": 0}},
            r"rope_scaling\.factor is 0; a finite num",
        ),
        ("llama", {"rope_parameters": {"rope_theta": -1e4}}, r"rope_theta is -10000\.0"),
        ("llama", {"rope_parameters": YARN | {"beta_fast": -1}}, "beta_fast is -1"),
        (
            "phi3",
            {
                "rope_scaling": {
                    "type": "longrope",
                    "long_factor": [1.0, -1.0],
                    "short_factor": [1.0],
                }
            },
            r"rope_scaling\.long_factor is -1\.0",
        ),
        (
            "gemma3",
            {"rope_parameters": {"full_attention": YARN | {"factor": -4.0}}},
            r"rope_parameters\.full_attention\.factor is -4\.0",
        ),
        ("llama", {"rope_parameters": {"rope_type": [], "factor": 2.0}}, r"rope_type is \[\]; the"),
        (
            "llama",
            {"rope_scaling": {"type": {}, "factor": 2.0}},
            r"rope_scaling\.type is \{\}; the",
        ),
        (
            "gemma3",
            {"rope_parameters": {"full_attention": {"type": 3}}},
            r"full_attention\.type is 3",
        ),
        ("llama", {"rope_parameters": YARN | {"factor": "4"}}, r"factor is '4'; a finite number"),
        (
            "llama",
            {"rope_parameters": YARN | {"original_max_position_embeddings": "a"}},
            r"rope_parameters\.original_max_position_embeddings is 'a'; a finite number above 0",
        ),
        ("llama", {"rope_scaling": {"kind": "linear", "factor": 4.0}}, "rope_scaling has kind and"),
        ("llama", {"rope_parameters": {"factor": 4.0}}, "has factor and names no kind of scaling"),
        ("gemma3", {"rope_parameters": {"full_attention": {"factor": 4.0}}}, "names no kind"),
    ],
)
def test_a_scaling_of_positions_that_no_model_has_is_one_line(kind, changes, match):
    with pytest.raises(ModelError, match=rf"c\.json: .*{match}") as refusal:
        config_of(tiny_model(kind, 300).config.to_dict() | changes, "c.json")
    assert "\n" not in str(refusal.value)


def test_a_context_of_a_scaling_that_grows_is_a_whole_number():
    """It bounds the windows of a run."""
    growing = {"rope_type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 48.0}
    config = config_of(
        tiny_model("llama", 300).config.to_dict() | {"rope_parameters": growing}, "c"
    )
    assert repr(longest_context(config)) == "48"


@pytest.mark.parametrize("scaling", [None, {}, THETA, {"type": "linear", "factor": 2.0}, YARN])
@pytest.mark.parametrize("key", ["rope_parameters", "rope_scaling"])
def test_scalings_of_positions_are_taken(key, scaling):
    values = tiny_model("llama", 300).config.to_dict() | {key: scaling}
    rotary = config_of(values, "c.json").rope_parameters
    assert (rotary or {}).get("factor") == (scaling or {}).get("factor")


NO_TOKENS = [2**40, -5, 1.5, "7", True, [], [2**40], ["x"], [1, -2], {"a": 1}]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("key", ["eos_token_id", "bos_token_id", "pad_token_id"])
@pytest.mark.parametrize("value", NO_TOKENS, ids=str)
def test_what_is_no_number_of_a_token_is_one_line(kind, key, value):
    values = tiny_model(kind, 300).config.to_dict() | {key: value}
    with pytest.raises(ModelError, match=rf"c\.json: {key} is .*; the number of a token, or null"):
        config_of(values, "c.json")


@pytest.mark.parametrize("value", [None, -1, 0, 299, [1, 2]], ids=str)
def test_numbers_of_tokens_are_taken(value):
    """Llama 3 has several tokens that end a text; an old one has -1 for none."""
    config = config_of(tiny_model("gpt2", 300).config.to_dict() | {"eos_token_id": value}, "c")
    assert config.eos_token_id == value


@pytest.mark.parametrize("end", [2**40, [2**40], -3, 1.5, True])
def test_no_number_of_a_token_in_a_tokenizers_folder(end, tmp_path):
    """There the configuration says alone which token ends a text."""
    tokenizer = train_tokenizer(LINES * 4, 300)
    values = json.loads(tokenizer.backend_tokenizer.to_str().replace(END_OF_TEXT, "the end"))
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": end}))
    with pytest.raises(ModelError, match="names no eos_token of it"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["<s> x", "$A", "a:b", "$B:1"])
def test_a_bos_that_no_template_can_hold_is_one_line(name, tmp_path):
    tokenizer = train_tokenizer(LINES * 4, 300)
    tokenizer.add_special_tokens({"bos_token": name})
    tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"add_bos_token": True}))
    with pytest.raises(ModelError, match=r"bos_token .* cannot be put before a text") as refusal:
        load_tokenizer(tmp_path)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(("kind", "key"), [("gpt2", "n_layer"), ("llama", "num_hidden_layers")])
def test_more_layers_than_any_model_has_are_refused(kind, key):
    """1,000 layers of two numbers took four minutes: a file of 1 MB."""
    values = tiny_model(kind, 300).config.to_dict() | {key: 161}
    with pytest.raises(ModelError, match=rf"c\.json: {key} is 161; at most 160 are read"):
        config_of(values, "c.json")


def test_more_blocks_than_any_model_has_beside_a_number_of_layers_are_refused():
    values = {"model_type": "xlstm", "num_hidden_layers": 1, "num_blocks": 10**9}
    with pytest.raises(ModelError, match=r"num_blocks is 1000000000; at most 160 are read"):
        config_of(values, "c.json")


FULL = "full_attention"


@pytest.mark.parametrize("kind", ["llama", "qwen3", "mistral"])
@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("layer_types", [FULL] * 7, r"not a configuration of .*\(2\) must be equal .*\(7\)"),
        ("layer_types", [FULL, "x"], "not a configuration of .*entries must be in"),
        ("per_layer_config", {"0": {"intermediate_size": 8}}, "gives some layers sizes of their"),
    ],
)
def test_what_is_said_of_each_layer_is_not_dropped(kind, key, value, match):
    """A class without the field is given none, and `transformers` fails on it."""
    values = tiny_model(kind, 300).config.to_dict() | {"num_hidden_layers": 2}
    values |= {"layer_types": [FULL] * 2}
    assert config_of(values, "config.json").num_hidden_layers == 2
    with pytest.raises(ModelError, match=match) as refusal:
        config_of(values | {key: value}, "config.json")
    assert "\n" not in str(refusal.value)


def test_as_many_layers_as_a_model_has_are_taken():
    """Lists of tokens' numbers may stand beside them, from which no layer is made."""
    values = tiny_model("gpt2", 300).config.to_dict() | {"n_layer": 160, "bad_words_ids": [[299]]}
    assert config_of(values, "c.json").num_hidden_layers == 160


NESTED = ['{"a": [{"b": %s}]}', '{"model_type": "gpt2", "rope_scaling": {"factor": %s}}']


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
@pytest.mark.parametrize("text", NESTED)
@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer_config.json", "special_tokens_map.json"]
)
def test_a_number_that_is_not_finite_however_deep(name, text, number, tmp_path):
    written(tmp_path / "b", tiny_model("gpt2", 300))
    (tmp_path / "b" / name).write_text(text % number)
    read = read_config if name == "config.json" else load_tokenizer
    with pytest.raises(ModelError, match=rf"{name}: not JSON") as refusal:
        read(tmp_path / "b")
    assert str(refusal.value).isprintable()

"""What stands beside a stranger's weights: no code is run, and no value is taken for another."""

import ast
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from pipeline.errors import ModelError
from pipeline.model.base.gguf_file import read_gguf
from pipeline.model.base.huggingface_folder import read_model
from pipeline.model.base.tokenizer import load_tokenizer, train_tokenizer
from tests.conftest import LINES
from tests.support.families import tiny_model
from tests.wiring.closure import ROOT


INDEX = "model.safetensors.index.json"
MATRIX = "model.layers.1.mlp.up_proj.weight"
IDS = torch.arange(3, 60)[None]
CODE = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\nclass Mine: pass\n"
ADAPTER = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}


@pytest.fixture(scope="module")
def own_tokenizer():
    return train_tokenizer(LINES * 4, 300)


def put_neighbours(folder: Path, tokenizer, *, base: str) -> None:
    """Ask for code, for another adapter's base, for other words: all in files of known names."""
    code = {"auto_map": {"AutoTokenizer": [None, "mine.Mine"]}, "tokenizer_class": "Mine"}
    values = json.loads(tokenizer.backend_tokenizer.to_str())
    values["normalizer"] = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    adapter = ADAPTER | {"base_model_name_or_path": base}
    for name, content in {
        "adapter_config.json": adapter,
        "tokenizer_config.json": code | {"eos_token": "a", "chat_template": "{{ 1 }}"},
        "tokenizer.json": values,
        "config.json": {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}},
        "generation_config.json": {"auto_map": {"GenerationConfig": "mine.Mine"}},
    }.items():
        if not (folder / name).exists():
            (folder / name).write_text(json.dumps(content))
    (folder / "mine.py").write_text(CODE)


def facts_of(model, tokenizer):
    """What must not change: every number, every word."""
    return model.state_dict(), tokenizer.backend_tokenizer.to_str(), tokenizer.chat_template


def require_same(found, expected):
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=0)
    assert found[1:] == expected[1:]


def test_a_gguf_files_neighbours_are_not_read(own_tokenizer, tmp_path, monkeypatch):
    gguf_llama = pytest.importorskip("tests.support.gguf_llama", reason="gguf is not installed")
    pytest.importorskip("accelerate")
    (tmp_path / "other").mkdir()
    model = gguf_llama.tiny_llama(len(own_tokenizer))
    gguf_llama.write_gguf(tmp_path / "m.gguf", model, own_tokenizer)
    plain = facts_of(*read_gguf(tmp_path / "m.gguf"))
    for value in model.parameters():
        value.data.mul_(0.5)
    gguf_llama.write_gguf(tmp_path / "other" / "m.gguf", model, own_tokenizer)
    put_neighbours(tmp_path, own_tokenizer, base=str(tmp_path / "other"))
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # to the question whether code may run
    require_same(facts_of(*read_gguf(tmp_path / "m.gguf")), plain)
    assert not [*tmp_path.rglob("ran")]


def test_a_gguf_file_is_read_without_links_too(own_tokenizer, tmp_path, monkeypatch):
    gguf_llama = pytest.importorskip("tests.support.gguf_llama", reason="gguf is not installed")
    pytest.importorskip("accelerate")
    model = gguf_llama.tiny_llama(len(own_tokenizer))
    gguf_llama.write_gguf(tmp_path / "m.gguf", model, own_tokenizer)
    plain = facts_of(*read_gguf(tmp_path / "m.gguf"))

    def refuse(*_):
        raise OSError

    monkeypatch.setattr(Path, "symlink_to", refuse)
    require_same(facts_of(*read_gguf(tmp_path / "m.gguf")), plain)


def test_a_folders_further_files_are_not_read(own_tokenizer, tmp_path):
    tiny_model("llama", 300).save_pretrained(tmp_path)
    own_tokenizer.save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    plain = facts_of(read_model(tmp_path)[0], load_tokenizer(tmp_path))
    put_neighbours(tmp_path, own_tokenizer, base="somebody/else")
    require_same(facts_of(read_model(tmp_path)[0], load_tokenizer(tmp_path)), plain)
    assert not [*tmp_path.rglob("ran")]


def in_shards(folder: Path):
    """A model in shards, and which shard holds which tensor."""
    tiny_model("llama", 300).save_pretrained(folder, max_shard_size="8KB")
    return json.loads((folder / INDEX).read_text())["weight_map"]


def refused(folder: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        read_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("factor", [-3, 1])
def test_a_tensor_with_and_without_the_trunks_prefix_is_refused(factor, tmp_path):
    tiny_model("llama", 300).save_pretrained(tmp_path)
    path, short = tmp_path / "model.safetensors", MATRIX.removeprefix("model.")
    tensors = load_file(path)
    save_file(tensors | {short: factor * tensors[MATRIX]}, path, {"format": "pt"})
    refused(tmp_path, rf"{short} in model\.safetensors and {MATRIX} in .* are both the model's")


def test_a_tensor_in_another_shard_than_the_index_says_is_refused(tmp_path):
    shards = in_shards(tmp_path)
    path = tmp_path / next(name for name in shards.values() if name != shards[MATRIX])
    more = {MATRIX: -load_file(tmp_path / shards[MATRIX])[MATRIX]}
    save_file(load_file(path) | more, path, {"format": "pt"})
    refused(tmp_path, rf"{path.name}: holds {MATRIX}, which .* is in {shards[MATRIX]}; which is")
    (tmp_path / INDEX).write_text(
        json.dumps({"weight_map": {n: s for n, s in shards.items() if n != MATRIX}})
    )
    refused(tmp_path, rf"{MATRIX} in .* are both the model's {MATRIX}; one value of each")


def test_of_a_whole_file_beside_an_index_transformers_and_we_take_the_whole_file(tmp_path):
    in_shards(tmp_path)
    other = tiny_model("llama", 300, seed=1)
    save_file(other.state_dict(), tmp_path / "model.safetensors", {"format": "pt"})
    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(tmp_path)(IDS).logits
        torch.testing.assert_close(expected, other(IDS).logits)
        torch.testing.assert_close(read_model(tmp_path)[0](IDS).logits, expected)


def calls_of(path: Path):
    """Yield what a file asks of `transformers`: the method, and the options that it names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = getattr(node.func.value, "id", "")
            if node.func.attr in ("from_pretrained", "from_config") and owner.startswith("Auto"):
                yield (
                    node.func.attr,
                    {k.arg: getattr(k.value, "value", None) for k in node.keywords},
                )


def test_transformers_is_told_each_time_to_run_no_code_and_to_ask_nobody():
    """Without a word of it, `transformers` asks the terminal whether it may run the code."""
    calls = [
        (path.relative_to(ROOT).as_posix(), *call)
        for folder in ("pipeline", "stages")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for call in calls_of(path)
    ]
    assert len(calls) >= 7
    for path, method, options in calls:
        assert options.get("trust_remote_code") is False, path
        assert method == "from_config" or options.get("local_files_only") is True, path

"""A whole model from a hub of our own: in shards, with all that a repository holds besides."""

import http.client
import json
from pathlib import Path

import httpx
import pytest
import torch

from pipeline.errors import DownloadError, ModelError
from pipeline.model.base.huggingface_folder import read_model
from pipeline.model.base.tokenizer import load_tokenizer, train_tokenizer
from pipeline.model.pretraining import hub
from pipeline.model.pretraining.build import build_base
from tests.conftest import LINES
from tests.support.bases import base_params, ignore
from tests.support.families import tiny_model
from tests.support.hub_server import serving


OLD, NEW = "0" * 40, "1" * 40
REPOSITORY = "org/model"
INDEX = "model.safetensors.index.json"
TEMPLATE = b"{% for m in messages %}{{ m['content'] }}{% endfor %}"
# What a repository may hold besides, none of which is ever fetched.
OTHERS = (
    "pytorch_model.bin",
    "pytorch_model-00001-of-00002.bin",
    "pytorch_model.bin.index.json",
    "consolidated.00.pth",
    "training_args.bin",
    "tf_model.h5",
    "flax_model.msgpack",
    "model.onnx",
    "onnx/model.safetensors",
    "adapter_model.safetensors",
    "model.fp16-00001-of-00002.safetensors",
    "optimizer.pt",
    "modeling_mine.py",
    "tokenization_mine.py",
    "generation_config.json",
    "README.md",
    ".gitattributes",
)


def a_model(seed):
    return tiny_model("llama", 300, seed=seed)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The files of a sharded model with its tokenizer, by name."""
    folder = tmp_path_factory.mktemp("model")
    a_model(0).save_pretrained(folder, max_shard_size="8KB")
    train_tokenizer(LINES * 4, 300).save_pretrained(folder)
    (folder / "chat_template.jinja").write_bytes(TEMPLATE)
    (folder / "special_tokens_map.json").write_text('{"eos_token": "<|endoftext|>"}')
    (folder / "generation_config.json").unlink()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def shards(files):
    return sorted(name for name in files if name.endswith(".safetensors"))


@pytest.fixture
def fetch(tmp_path):
    def fetch(commits, revision, main=OLD):
        with serving({REPOSITORY: commits}, main) as server:
            return server.fetch(REPOSITORY, revision, tmp_path / "home")

    return fetch


def logits(model):
    with torch.no_grad():
        return model(torch.arange(40)[None]).logits


def test_shards_index_tokenizer_and_template_are_fetched_and_no_pickle_and_no_code(files, fetch):
    assert len(shards(files)) > 2
    folder, commit = fetch({OLD: files | dict.fromkeys(OTHERS, b"not to be read")}, "main")
    fetched = {p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file()}
    assert commit == OLD
    assert fetched == set(files)
    assert {INDEX, "tokenizer.json", "chat_template.jinja", "special_tokens_map.json"} <= fetched
    torch.testing.assert_close(logits(read_model(Path(folder))[0]), logits(a_model(0)))
    assert load_tokenizer(Path(folder)).chat_template == TEMPLATE.decode()


def test_a_commit_means_the_same_model_after_the_branch_has_moved(
    files, fetch, tmp_path, monkeypatch
):
    a_model(1).save_pretrained(tmp_path / "new", max_shard_size="8KB")
    new = files | {p.name: p.read_bytes() for p in (tmp_path / "new").glob("*.safetensors")}
    commits = {OLD: files, NEW: new}
    for revision, expected in (("main", NEW), (OLD, OLD)):
        folder, commit = fetch(commits, revision, main=NEW)
        assert commit == expected
        model = read_model(Path(folder))[0]
        torch.testing.assert_close(logits(model), logits(a_model(int(expected == NEW))))
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: folder)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    source = base_params(REPOSITORY, revision=OLD)
    facts = build_base(source, tmp_path / "none", tmp_path / "base", advance=ignore)
    assert (facts["source"], facts["revision"]) == (REPOSITORY, OLD)
    assert set(facts["weights_sha256"]) == set(shards(files))


def test_files_of_a_cache_without_the_hubs_list_are_named(files, fetch, tmp_path, monkeypatch):
    folder, _ = fetch({OLD: files}, OLD)
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: folder)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    source = base_params(REPOSITORY, revision=OLD)
    for listed in (True, False):
        monkeypatch.setattr(hub, "has_listing", lambda *_, said=listed: said)
        facts = build_base(source, tmp_path / "none", tmp_path / "base", advance=ignore)
        assert facts.get("unlisted") == (None if listed else sorted(files))


def test_an_adapter_beside_a_hubs_model_is_refused(files, fetch, tmp_path, monkeypatch):
    folder, _ = fetch({OLD: files | {"adapter_config.json": b'{"peft_type": "LORA"}'}}, OLD)
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: folder)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    source = base_params(REPOSITORY, revision=OLD)
    with pytest.raises(ModelError, match=r"adapter_config\.json: an adapter, which is not applied"):
        build_base(source, tmp_path / "none", tmp_path / "base", advance=ignore)


@pytest.mark.parametrize("kind", [http.client.InvalidURL, httpx.InvalidURL])
def test_an_address_that_is_none_is_one_line(kind, monkeypatch):
    def refused(*_, **__):
        raise kind("URL can't contain control characters. 'http://u:word7@host/\\x01'")

    monkeypatch.setattr(hub, "snapshot_download", refused)
    with pytest.raises(DownloadError, match="HF_ENDPOINT of the environment") as refusal:
        hub.fetch("a/b", OLD)
    assert "word7" not in str(refusal.value)


@pytest.mark.parametrize("url", ["https://u:word7@host/x", "https://host/x?token=word7"])
def test_a_url_as_base_source_shows_no_secret(url, tmp_path):
    with pytest.raises(ModelError, match="neither a folder nor a hub id") as refusal:
        build_base(base_params(url), tmp_path / "none", tmp_path / "base", advance=ignore)
    assert "word7" not in str(refusal.value)
    assert "https://host/x" in str(refusal.value)


def test_a_shard_that_the_repository_lacks_is_named(files, fetch):
    lost = shards(files)[1]
    folder, _ = fetch({OLD: {n: c for n, c in files.items() if n != lost}}, OLD)
    with pytest.raises(ModelError, match=f"{lost}: not found"):
        read_model(Path(folder))


@pytest.mark.parametrize(
    "name",
    ["../../outside.safetensors", "/etc/passwd", "sub/model.safetensors", "..", 7, "", "x.bin"],
)
def test_an_index_that_names_a_file_elsewhere_is_refused(name, files, fetch, tmp_path):
    index = json.loads(files[INDEX])
    index["weight_map"][next(iter(index["weight_map"]))] = name
    folder, _ = fetch({OLD: files | {INDEX: json.dumps(index).encode()}}, OLD)
    with pytest.raises(
        ModelError, match=r"`weight_map` must name \.safetensors files of this folder"
    ):
        read_model(Path(folder))

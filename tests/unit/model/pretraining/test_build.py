import hashlib
import math
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline import artifacts
from pipeline.errors import MissingFileError, ModelError
from pipeline.model.base.huggingface_folder import write_model
from pipeline.model.base.load import load_base
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.base.tokenizer import load_tokenizer
from pipeline.model.pretraining import build as module
from pipeline.model.pretraining.build import build_base
from tests.support.bases import base_params, build, model_of


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_pretrained_base_is_a_hugging_face_folder(built):
    folder, _ = built
    model, tokenizer = load_base(folder)
    text = " my dog likes"
    ids = tokenizer.encode(text)
    assert AutoTokenizer.from_pretrained(folder).encode(text) == ids
    reference = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits
        assert torch.equal(reference(torch.tensor([ids])).logits, logits)
    assert not model.training
    assert model.dtype == torch.float32


def test_the_special_rows_are_the_last_six_and_the_mean_of_the_others(built):
    model, tokenizer = load_base(built[0])
    rows = model.transformer.wte.weight
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(280, 286))
    assert rows.shape == (286, 16)
    assert model.lm_head.weight is rows
    assert torch.allclose(rows[280:], rows[:280].mean(0).expand(6, -1), atol=1e-6)


def test_base_json_says_what_it_is(built, text):
    folder, facts = built
    record = artifacts.read_json(folder / "base.json", made_by="base")
    assert set(record.pop("files")) == {p.name for p in folder.iterdir()} - {"base.json"}
    assert record == facts
    assert facts["source"] == "pretrain"
    assert facts["revision"] is None
    assert facts["vocab_size"] == 280
    assert facts["special_tokens"] == list(SPECIAL_TOKENS)
    model, tokenizer = load_base(folder)
    assert facts["num_parameters"] == sum(p.numel() for p in model.parameters())
    assert facts["context"] == 48
    trained = facts["pretraining"]
    assert trained["text_sha256"] == hashlib.sha256(text.read_bytes()).hexdigest()
    assert (trained["steps"], trained["tokens"]) == (40, 40 * 4 * 24)
    lines = [line for line in text.read_text().splitlines() if line]
    segments = sum(len(tokenizer.encode(" " + line)) for line in lines)
    assert trained["text_tokens"] == segments + len(lines) + 2  # a mark before each; 2 final ones


def test_pre_training_learns_and_the_held_out_figures_agree(built):
    trained = built[1]["pretraining"]
    assert trained["ppl_per_token"] < 0.5 * trained["ppl_unigram_per_token"]
    for unit in ("per_token", "per_byte", "unigram_per_token"):
        assert trained[f"ppl_{unit}"] == pytest.approx(math.exp(trained[f"loss_{unit}"]))
    nats = trained["loss_per_token"] * trained["heldout_tokens"]
    assert trained["loss_per_byte"] * trained["heldout_bytes"] == pytest.approx(nats)


def test_the_same_parameters_give_the_same_bytes_and_another_seed_does_not(built, text, tmp_path):
    build(base_params(), text, tmp_path / "again")
    assert _contents(tmp_path / "again") == _contents(built[0])
    build(base_params(seed=1), text, tmp_path / "other")
    other = _contents(tmp_path / "other")
    assert other["model.safetensors"] != _contents(built[0])["model.safetensors"]
    assert other["tokenizer.json"] == _contents(built[0])["tokenizer.json"]


def test_no_out_names_a_machine_path_or_a_version(built, text):
    for name, content in _contents(built[0]).items():
        assert str(built[0].parent).encode() not in content, name
        assert str(text.parent).encode() not in content, name
        assert b"transformers_version" not in content, name


def test_the_held_out_documents_are_not_trained_on(text, tmp_path):
    changed = tmp_path / "pretrain.txt"
    *rest, last = text.read_text().split("\n\n")
    changed.write_text("\n\n".join([*rest, "q" * len(last)]))
    build(base_params(steps=3), text, tmp_path / "a")
    build(base_params(steps=3), changed, tmp_path / "b")
    a, b = _contents(tmp_path / "a"), _contents(tmp_path / "b")
    assert a["model.safetensors"] == b["model.safetensors"]
    assert a["tokenizer.json"] == b["tokenizer.json"]
    assert a["base.json"] != b["base.json"]


@pytest.mark.parametrize("has_special_tokens", [False, True])
def test_a_given_tokenizer_is_used(text, gpt2, built, tmp_path, has_special_tokens):
    folder = built[0] if has_special_tokens else gpt2
    facts = build(base_params(tokenizer=str(folder), steps=1), text, tmp_path / "base")
    assert facts["vocab_size"] == 280
    model, tokenizer = load_base(tmp_path / "base")
    expected = load_tokenizer(folder).encode(" the red dog")
    assert tokenizer.encode(" the red dog") == expected
    rows = model.transformer.wte.weight
    assert torch.allclose(rows[280:], rows[:280].mean(0).expand(6, -1), atol=1e-6)


def test_a_checkpoint_is_used_and_deleted_on_success(built, text, tmp_path, monkeypatch):
    class Eager(module.Checkpoint):
        def __init__(self, stage, parts):
            super().__init__(stage, parts, interval=0.0)

    def interrupt(step, note):
        if step == 30:
            raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.model.pretraining.pretrain.Checkpoint", Eager)
    target, checkpoints = tmp_path / "base", tmp_path / ".checkpoints"
    with pytest.raises(KeyboardInterrupt):
        build_base(base_params(), text, target, advance=interrupt)
    assert not target.exists()
    assert len(list(checkpoints.iterdir())) == 2  # the last save, and the one before
    steps = {}
    build_base(base_params(), text, target, advance=steps.__setitem__)
    assert list(steps) == list(range(30, 41))
    assert list(checkpoints.iterdir()) == []
    assert _contents(target) == _contents(built[0])


def test_a_folder_gets_six_rows_and_keeps_the_others(gpt2, tmp_path):
    facts = build(base_params("./gpt2"), tmp_path / "no text", tmp_path / "base")
    before, after = model_of(gpt2), load_base(tmp_path / "base")[0]
    rows = after.transformer.wte.weight
    assert torch.equal(rows[:280], before.transformer.wte.weight)
    assert torch.allclose(rows[280:], rows[:280].mean(0).expand(6, -1), atol=1e-6)
    others = {n: p for n, p in after.named_parameters() if "wte" not in n}
    assert all(torch.equal(p, before.get_parameter(n)) for n, p in others.items())
    weights = gpt2 / "model.safetensors"
    assert facts["params"]["base"]["source"] == "gpt2"
    assert {key: value for key, value in facts.items() if key != "params"} == {
        "source": "folder",
        "revision": None,
        "weights_sha256": {weights.name: artifacts.sha256_of(weights)},
        "vocab_size": 280,
        "special_tokens": list(SPECIAL_TOKENS),
        "num_parameters": before.num_parameters() + 6 * 16,
        "context": 48,
        "pretraining": None,
    }


def test_adding_the_special_rows_leaves_the_global_generator(gpt2, tmp_path):
    before = torch.get_rng_state()
    build(base_params("./gpt2"), tmp_path, tmp_path / "base")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_source_with_special_tokens_keeps_its_rows(built, tmp_path):
    source = shutil.copytree(built[0], tmp_path / "source")
    model = model_of(source)
    model.transformer.wte.weight.data[280:] += 1  # trained, say
    write_model(model, source)
    facts = build(base_params(str(source)), tmp_path, tmp_path / "base")
    assert facts["vocab_size"] == 280
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert _contents(tmp_path / "base")[name] == _contents(source)[name]


def test_a_hub_model_is_kept_with_the_commit_found(gpt2, tmp_path, monkeypatch):
    asked = []

    def fetch(repository, revision):
        asked.append((repository, revision))
        return gpt2, "c0ffee"

    monkeypatch.setattr(module.hub, "fetch", fetch)
    facts = build(base_params("org/gpt2", revision="v1"), tmp_path, tmp_path / "base")
    assert asked == [("org/gpt2", "v1")]
    assert (facts["source"], facts["revision"]) == ("org/gpt2", "c0ffee")
    assert facts["weights_sha256"].keys() == {"model.safetensors"}
    load_base(tmp_path / "base")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("./none", "'./none' is neither a folder nor a hub id"),
        ("org/gpt2", r"'org/gpt2' is no folder, so it is a hub id; set base\.revision"),
        ("models/base/old", "neither a folder nor a hub id"),
    ],
)
def test_a_source_that_is_not_there(source, message, text, tmp_path):
    with pytest.raises(ModelError, match=message):
        build(base_params(source), text, tmp_path / "base")


def test_an_empty_text_says_what_to_set(tmp_path):
    (tmp_path / "pretrain.txt").touch()
    with pytest.raises(ModelError, match=r"empty, but base\.source is `pretrain`.*data\.pretrain"):
        build(base_params(), tmp_path / "pretrain.txt", tmp_path / "base")


def test_a_missing_text_names_its_stage(tmp_path):
    with pytest.raises(MissingFileError, match=r"stages\.download"):
        build(base_params(), tmp_path / "pretrain.txt", tmp_path / "base")


def test_a_failure_keeps_the_earlier_base(built, text, tmp_path, monkeypatch):
    target = tmp_path / "base"
    shutil.copytree(built[0], target)

    def fail(model, folder):
        (folder / "config.json").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_model", fail)
    with pytest.raises(OSError, match="No space"):
        build(base_params(seed=1, steps=1), text, target)
    assert _contents(target) == _contents(built[0])


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("base.source", {"source": "http://ann:s3cret@host/x.gguf"}),
        ("base.pretrain.tokenizer", {"tokenizer": "http://ann:s3cret@host/x"}),
    ],
)
def test_a_url_in_the_place_of_a_path(key, changes, text, tmp_path):
    with pytest.raises(ModelError, match=f"{key}: http://host/x(.gguf)?: a path was") as caught:
        build(base_params(**changes), text, tmp_path / "base")
    assert "s3cret" not in str(caught.value)

"""The stage `base`: it writes the out and says what it made."""

import shutil

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, DivergedError, MissingFileError, ModelError, ParamsError
from pipeline.model.base.load import load_base
from pipeline.model.base.tokenizer import read_tokenizer
from pipeline.model.pretraining import heldout
from pipeline.model.pretraining.build import build_base
from pipeline.params import Adapters
from stages import base as stage
from tests.support.bases import base_params, ignore


@pytest.fixture
def project(text, tmp_path, monkeypatch):
    """A folder with a text to pre-train on; returns a function that sets `base.pretrain`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "data").mkdir()
    shutil.copy(text, tmp_path / artifacts.PRETRAIN_TEXT)
    digest = artifacts.sha256_of(artifacts.PRETRAIN_TEXT)
    artifacts.write_json(artifacts.RAW_SOURCE, {"pretrain": {"text_sha256": digest}})

    def set_params(*phi, **pretrain):
        class Settings:
            @classmethod
            def load(cls):
                return cls()

            def view(self, schema):
                return schema(base=base_params(**pretrain))

            def phi_in_use(self):
                return list(phi)

        monkeypatch.setattr(stage, "Settings", Settings)

    return set_params


def test_the_stage_writes_the_out(project, capsys):
    project(steps=2)
    stage.base()
    load_base(artifacts.BASE)
    shown = capsys.readouterr().out
    assert "φ from pretrain" in shown
    assert "held out: perplexity" in shown


def test_what_a_cache_had_is_said_where_the_hubs_list_is_not_known(project, capsys, monkeypatch):
    facts = {"unlisted": ["config.json", "a\x1b[31m"], "pretraining": None, "source": "a/b"}
    facts |= {"num_parameters": 1, "vocab_size": 1, "special_tokens": [], "context": 1}
    monkeypatch.setattr(stage, "build_base", lambda *_, **__: facts)
    project(steps=2)
    stage.base()
    shown = " ".join(capsys.readouterr().out.split())
    assert "list of files: config.json, a\\x1b[31m are there; what else the hub has" in shown


def test_a_text_that_changed_after_download_is_refused(project):
    project(steps=2)
    stage.base()
    before = artifacts.sha256_of(artifacts.BASE)
    was = artifacts.sha256_of(artifacts.PRETRAIN_TEXT)
    with artifacts.PRETRAIN_TEXT.open("a") as file:
        file.write("one more line\n")
    now = artifacts.sha256_of(artifacts.PRETRAIN_TEXT)
    said = rf"pretrain\.txt: not as .* is {now[:12]}…, data/raw/source.json says {was[:12]}…; name"
    with pytest.raises(DataError, match=said) as refusal:
        stage.base()
    assert str(refusal.value).isprintable()
    assert artifacts.sha256_of(artifacts.BASE) == before


@pytest.mark.parametrize("path", [artifacts.RAW_SOURCE, artifacts.PRETRAIN_TEXT])
def test_a_text_or_its_origin_that_is_missing_is_named(project, path):
    project(steps=2)
    path.unlink()
    with pytest.raises(MissingFileError, match=rf"{path}: not found; run `python -m stages.downl"):
        stage.base()


@pytest.mark.parametrize("source", [{}, {"pretrain": None}, {"pretrain": {"text_sha256": [1]}}])
def test_an_origin_without_the_digest_is_refused(project, source):
    project(steps=2)
    artifacts.write_json(artifacts.RAW_SOURCE, source)
    with pytest.raises(DataError, match=r"source\.json says"):
        stage.base()


def test_a_file_of_the_users_beside_the_base_is_not_replaced(project):
    project(steps=2)
    stage.base()
    notes = artifacts.BASE / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(DataError, match=r"models/base/notes\.txt: not written by this stage"):
        stage.base()
    assert notes.read_text() == "mine"


def test_a_base_with_all_that_the_stage_may_write_is_replaced(project, monkeypatch):
    build = stage.build_base

    def with_chat_templates(*args, **keywords):
        facts = build(*args, **keywords)
        tokenizer, _ = read_tokenizer(artifacts.BASE, None)
        tokenizer.chat_template = {"default": "a", "tool_use": "b"}
        tokenizer.save_pretrained(artifacts.BASE)
        return facts

    monkeypatch.setattr(stage, "build_base", with_chat_templates)
    project(steps=2)
    stage.base()
    assert len(list(artifacts.BASE.iterdir())) == 7
    stage.base()


@pytest.mark.parametrize(
    ("key", "wrong"), [("targets", ["q_proj"]), ("blocks", [0, 1])], ids=["targets", "blocks"]
)
def test_phi_that_the_base_has_no_place_for_is_refused(project, key, wrong):
    """Before the first training; the pre-training is kept, and goes on from its end."""
    right = Adapters(kind="lora", bottleneck=2, init_std=0.1, targets=["c_attn"], blocks=[0, 0])
    project(right, right.model_copy(update={key: wrong}), steps=2)
    with pytest.raises(ParamsError, match=rf"adapters\.{key}: "):
        stage.base()
    assert not artifacts.BASE.exists()
    project(right, steps=2)
    stage.base()
    names = load_base(artifacts.BASE)[0].state_dict()
    assert not any("lora" in name for name in names)


def test_the_base_of_an_earlier_run_is_not_taken_for_one_that_diverged(project):
    project(steps=2)
    stage.base()
    project(steps=200, warmup_steps=0, lr=1e30)
    with pytest.raises(DivergedError, match=r"base: step \d+: loss .*; lower base\.pretrain\.lr"):
        stage.base()
    assert not artifacts.BASE.exists()


def test_a_loss_too_high_for_a_perplexity_is_a_divergence(project, monkeypatch):
    monkeypatch.setattr(heldout, "model_nll", lambda *_: 1e9)
    project(steps=1)
    with pytest.raises(DivergedError, match=r"held-out loss .* lower base\.pretrain\.lr"):
        stage.base()
    assert not artifacts.BASE.exists()


def test_more_layers_than_are_read_again_are_refused_before_the_text(tmp_path):
    text = tmp_path / "text"
    text.write_text("not read")
    with pytest.raises(ModelError, match=r"num_layers is 161; at most 160 are read, lower it"):
        build_base(base_params(num_layers=161), text, tmp_path / "b", advance=ignore)

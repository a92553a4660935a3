"""A trained variant as a Hugging Face folder: the same model to `transformers`, and as a base."""

from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.errors import ModelError
from pipeline.learning.training.loop import Trained, TrainingProgress
from pipeline.learning.training.variant_run import save
from pipeline.model.base.load import load_base
from pipeline.model.export.plain_model import as_plain
from pipeline.model.pretraining.build import build_base
from pipeline.model.sequences.batching import collate, whole
from pipeline.params import Settings
from stages.commands.export import export
from tests.conftest import a_dialogue, tiny_gpt2
from tests.support.exports import CPU, save_variant, write_base
from tests.support.families import FAMILIES, tiny_model
from tests.support.next_utterance import variant
from tests.support.variant_runs import a_run
from tests.wiring.closure import ROOT


def save_trained(tokenizer, model):
    write_base(tokenizer, model)
    return save_variant()


@pytest.fixture
def trained(tokenizer, tmp_path, monkeypatch):
    """A trained GPT-2."""
    monkeypatch.chdir(tmp_path)
    return save_trained(tokenizer, tiny_gpt2(tokenizer))


def test_transformers_gives_the_replies_the_same_loss(trained, tmp_path):
    learner, moved = trained
    export("in_place", tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    (window,) = learner.encoder.encode(a_dialogue())
    labels = torch.tensor([window.ids])
    replies = collate(whole((window,)), CPU)
    expected = learner.model.token_nll(learner.parameters(moved), replies)
    log_p = model(input_ids=labels).logits[0, :-1].log_softmax(-1)
    nll = -log_p.gather(-1, labels[0, 1:, None]).squeeze(-1)
    predicted = [place - 1 for span in window.spans for place in range(span.start, span.end)]
    torch.testing.assert_close(nll[predicted], expected, rtol=1e-4, atol=1e-5)


def test_the_tokenizer_comes_with_it(trained, tokenizer, tmp_path):
    export("in_place", tmp_path / "out")
    text = "i like to read books about old cars ."
    exported = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert exported(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert len(exported) == len(tokenizer)


def test_as_a_base_it_is_taken_as_it_is(trained, tmp_path):
    """No second set of special tokens, no other value."""
    _, moved = trained
    export("in_place", tmp_path / "out")
    params = Settings.load(ROOT / "presets/embedded.yaml").check().base
    params = params.model_copy(update={"source": str(tmp_path / "out")})
    build_base(params, tmp_path / "none", tmp_path / "base", advance=lambda *_: None)
    model, _ = load_base(tmp_path / "base")
    table = torch.cat([moved["wte.weight"], moved["special.weight"]])
    assert torch.equal(model.transformer.wte.weight, table)
    assert torch.equal(model.transformer.h[1].mlp.c_fc.weight, moved["h.1.mlp.c_fc.weight"])


def test_a_head_stays_behind(trained, make_learner, tmp_path, capsys):
    learner = make_learner(variant("choice"))
    axes = {"name": "headed", "variant": variant("choice")}
    save(replace(a_run(), **axes), learner, Trained(learner.theta, TrainingProgress()), {})
    export("headed", tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert torch.equal(model.transformer.wpe.weight, learner.theta["wpe.weight"])
    assert "without its next-utterance head" in capsys.readouterr().out


@pytest.mark.parametrize("differing", [{"n_layer": 1}, {"n_embd": 8}])
def test_another_model_is_refused(make_learner, tokenizer, differing):
    with pytest.raises(ModelError, match=r"^transformer\..* not those of a gpt2 of this config"):
        as_plain(make_learner(), tiny_gpt2(tokenizer, **differing))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_transformers_the_same_logits(family, tokenizer, tmp_path, monkeypatch):
    """Special rows too, in the embedding and in a head of its own, which are moved apart."""
    monkeypatch.chdir(tmp_path)
    learner, moved = save_trained(tokenizer, tiny_model(family, len(tokenizer)))
    export("in_place", tmp_path / "out")
    ids = torch.tensor([[5, 200, 44, 7, 9, *range(len(tokenizer) - 6, len(tokenizer))]])
    parameters = learner.parameters(moved)
    with torch.no_grad():
        exported = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
        expected = learner.model.logits(parameters, learner.model.hidden(parameters, ids))
        torch.testing.assert_close(exported(ids).logits, expected, rtol=1e-4, atol=2e-4)
    assert not list((tmp_path / "out").glob("*.bin"))
    assert AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab() == tokenizer.get_vocab()

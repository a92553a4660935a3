"""`stages.zero_shot --untrained`: what a base can do in each format before any training."""

import math
import shutil
from pathlib import Path

import pytest

from pipeline import artifacts, outs
from pipeline.errors import ModelError
from pipeline.evaluation.studies.convai2 import ZERO_SHOT, read_tasks
from pipeline.model.network.trained import untrained
from pipeline.params import Settings, TrainParams
from stages.studies import zero_shot as stage
from tests.support.bases import a_text, base_params, build
from tests.support.chat_templates import LINED
from tests.support.personachat_text import lines, with_candidates
from tests.unit.evaluation.controls.test_zero_shot import nats
from tests.wiring.closure import ROOT


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    (folder / "pretrain.txt").write_text(a_text())
    build(base_params(context=400, steps=2), folder / "pretrain.txt", folder / "base")
    return folder / "base"


@pytest.fixture(params=["special", "plain", "chat"])
def format(request, base, tmp_path, monkeypatch):
    """A project with a base, one test person, and variant in_place in one of the formats."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "1")
    text = (ROOT / "presets/embedded.yaml").read_text()
    line = "  in_place: {init: pretrained}\n"
    assert text.count(line) == 1
    changed = f"  in_place: {{init: pretrained, format: {request.param}}}\n"
    Path("params.yaml").write_text(text.replace(line, changed))
    shutil.copytree(base, artifacts.BASE)
    spoken = lines("i fish .", with_candidates("hi", "i like dogs"), with_candidates("ok", "bye"))
    artifacts.write_text(tmp_path / "data/test_self_original.txt", spoken)
    return request.param


def give_a_chat_template():
    """The base as its stage writes it for a tokenizer that has a template."""
    (artifacts.BASE / "chat_template.jinja").write_text(LINED)
    facts = outs.require_record(artifacts.BASE)
    outs.write_record(artifacts.BASE, artifacts.BASE_FACTS.name, facts)


def test_it_needs_no_training_and_is_the_bases_own_likelihood(format):
    if format == "chat":
        with pytest.raises(ModelError, match="format chat: the base's tokenizer has no chat"):
            stage.zero_shot("in_place", Path("data"), split=["test"], untrained=True)
        give_a_chat_template()
    options = {"split": ["test"], "untrained": True}
    stage.zero_shot("in_place", Path("data"), **options, likelihood=True)
    alone = artifacts.read_json(
        ZERO_SHOT / "in_place-untrained-likelihood-test.json", made_by="zero_shot"
    )
    stage.zero_shot("in_place", Path("data"), **options)
    found = artifacts.read_json(ZERO_SHOT / "in_place-untrained-test.json", made_by="zero_shot")
    settings = Settings.load()
    axes = settings.variant("in_place")
    assert axes.format == format
    learner = untrained(axes, settings.view(TrainParams).adapters, 0)
    (task,) = read_tasks(Path("data"), ["test"], seed=0)
    total, tokens = nats(learner, task)
    assert found["metrics"]["ppl"]["value"] == pytest.approx(math.exp(total / tokens), rel=1e-5)
    assert alone["metrics"]["ppl"] == found["metrics"]["ppl"]
    assert (alone["metrics"]["f1"], alone["metrics"]["hits_at_1"]) == (None, None)
    assert None not in (found["metrics"]["f1"], found["metrics"]["hits_at_1"])

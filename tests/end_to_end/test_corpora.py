"""A corpus of one's own through all stages at toy size, from its file to the report."""

import json

import pytest
import torch

from pipeline import artifacts
from pipeline.errors import ModelError
from pipeline.learning.p2bot.receiver.files import load_receiver
from stages.base import base
from stages.compare import compare
from stages.download import download
from stages.finetune import finetune
from stages.floors import floors
from stages.meta_train import meta_train
from stages.p2bot.p2_receiver import p2_receiver
from stages.report import report
from stages.score import score
from stages.tasks import tasks
from stages.train import train
from tests.support.corpora import FORMATS, world
from tests.support.toy_project import toy_params, write_params


BOTH = ("transfer", "extra_place")
# Of the other formats one row: behind stage tasks nothing knows of the format.
ROWS = {"JSON Lines of person and messages": BOTH, "messenger log": BOTH}


def params_for(path, rows):
    params = toy_params()
    params["data"] |= {"source": str(path), "pretrain_sha256": None}
    params["data"]["synthetic"]["pretrain_lines"] = 300
    small = {"vocab_size": 300, "num_layers": 1, "width": 16, "num_heads": 2, "steps": 4}
    params["base"]["pretrain"] |= {**small, "context": 512, "sequence_length": 64}
    params |= {"trained": ["transfer"], "meta_trained": [*rows[1:]], "self_played": []}
    params["scored"] = [*rows]
    params["variants"] = {name: params["variants"][name] for name in rows}
    params["score"]["bootstrap_samples"] = params["compare"]["permutations"] = 100
    params["compare"]["claims"] = []
    params["outer_steps"] = 2
    return params


def no_receiver_without_personas():
    """The stage ends well, since dvc.yaml always has it; who needs the receiver is told."""
    p2_receiver(0)
    folder = artifacts.receiver_dir(0)
    assert [path.name for path in folder.iterdir()] == ["untrained.json"]
    with pytest.raises(ModelError, match=r"no receiver, because .* take its variants out of self_"):
        load_receiver(folder, (None, None), torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_from_a_corpus_to_the_report(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    rows = ROWS.get(name, BOTH[:1])
    path = FORMATS[name](world(), tmp_path)
    write_params(tmp_path, params_for(path, rows))
    download()
    tasks()
    base()
    train("transfer", 0)
    if "extra_place" in rows:
        meta_train("extra_place", 0)
    if name == "messenger log":
        no_receiver_without_personas()
    for row in rows:
        finetune(row)
        score(row)
    floors()
    compare()
    report()
    summary = json.loads(artifacts.TASKS_SUMMARY.read_text())
    for row in rows:
        details = json.loads(artifacts.details_file(row).read_text())
        assert json.loads(artifacts.metrics_file(row).read_text())["ppl"] > 1
        assert "headline" in details
    assert summary["source"]["corpus"]["format"] == name
    assert summary["splits"]["test"]["personas"] == 2
    assert rows[0] in (artifacts.REPORT / "index.html").read_text()

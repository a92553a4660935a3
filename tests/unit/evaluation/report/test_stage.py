"""The stage `report`: the same bytes twice, no torch, only what is in force."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from pipeline import artifacts
from pipeline.errors import MissingFileError
from tests.support.one_run import say_one_run
from tests.support.report_cells import cells
from tests.wiring.closure import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The committed metrics, with the least of the rest that the report reads."""
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")
    (tmp_path / "params.yaml").write_bytes((ROOT / "presets/embedded.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    splits = {split: {"personas": 5} for split in artifacts.SPLITS}
    artifacts.write_json(artifacts.TASKS_SUMMARY, {"splits": splits, "more": 1})
    base = {"source": "folder", "num_parameters": 1234, "pretraining": None}
    artifacts.write_json(artifacts.BASE_FACTS, base)
    say_one_run(tmp_path)
    return tmp_path


def test_the_committed_metrics_make_the_same_report_twice_without_torch(project):
    """In a process of its own, where torch cannot be imported."""
    history = artifacts.model_dir("in_place", 0) / "history.csv"
    artifacts.write_text(history, "step,outer_loss\n1,2.0\n2,1.0\n")
    say_one_run(project)
    script = (
        "import sys; sys.modules['torch'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from stages.report import report; report()"
    )
    contents = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script, ROOT], check=True, capture_output=True)
        contents.append({p.name: p.read_bytes() for p in artifacts.REPORT.iterdir()})
    assert contents[0] == contents[1]
    text = contents[0]["index.md"].decode()
    committed = artifacts.read_json(artifacts.details_file("in_place"), made_by="score")
    ppl = committed["metrics"]["ppl"]["value"]
    assert cells(text.partition("## Adaptation")[0], "`in_place`")[1].startswith(f"{ppl:.2f} [")
    pictures = re.findall(r"\]\((.+\.svg)\)", text)
    assert "in_place-seed-0-loss.svg" in pictures
    assert sorted([*pictures, "index.md", "kshot.csv"]) == sorted(contents[0])
    header, *points = contents[0]["kshot.csv"].decode().splitlines()
    assert header.startswith("variant,k,ppl,")
    own = artifacts.kshot_file("in_place").read_text().splitlines()[1:]
    assert [p.removeprefix("in_place,") for p in points if p.startswith("in_place,")] == own
    for picture in pictures:
        ET.fromstring(contents[0][picture])


def test_rows_and_runs_that_are_not_in_force_are_left_out(project, capsys):
    """DVC leaves what a dropped variant or seed wrote; it may be of another corpus."""
    from stages.report import report

    for folder in (artifacts.KSHOT, artifacts.DETAILS):
        (there,) = folder.glob("transfer.*")
        shutil.copy(there, there.with_stem("dropped"))
    for name, seed in (("in_place", 0), ("in_place", 7), ("dropped", 0), ("p2_receiver", 0)):
        path = artifacts.model_dir(name, seed) / "history.csv"
        artifacts.write_text(path, "step,loss\n1,2.0\n2,1.0\n")
    say_one_run(project)
    report()
    assert "kshot: left out, not in scored of params.yaml: dropped" in capsys.readouterr().out
    text = (artifacts.REPORT / "index.md").read_text()
    assert "dropped" not in text
    curves = sorted(path.name for path in artifacts.REPORT.glob("*-seed-*.svg"))
    assert curves == ["in_place-seed-0-loss.svg", "p2_receiver-seed-0-loss.svg"]


def test_without_scores_the_stage_to_run_is_named(tmp_path, monkeypatch):
    from stages.report import report

    (tmp_path / "params.yaml").write_bytes((ROOT / "presets/embedded.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match=r"stages\.score"):
        report()

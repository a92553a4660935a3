"""The stage `report`: the same bytes twice, no torch, only what is in force."""

import csv
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError, ParamsError
from pipeline.evaluation.report.files import by_variant
from stages import report as stage
from stages.report import report
from tests.support.html_tables import Read
from tests.support.one_run import say_one_run
from tests.support.report_project import lay_out, scored, talk, train
from tests.wiring.closure import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The committed metrics, with the least of the rest that the report reads."""
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written() -> dict[str, bytes]:
    paths = (path for path in artifacts.REPORT.rglob("*") if path.is_file())
    return {p.relative_to(artifacts.REPORT).as_posix(): p.read_bytes() for p in paths}


def page() -> Read:
    return Read.of((artifacts.REPORT / "index.html").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_committed_metrics_make_the_same_report_twice_without_torch(project):
    """In processes of their own, where torch cannot be imported, at another time and elsewhere."""
    talk(project, "hello")
    script = (
        "import sys; sys.modules['torch'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from stages.report import report; report()"
    )
    contents = []
    for year in ("2001", "2033"):
        home = {"HOME": str(project / year), "SOURCE_DATE_EPOCH": "", "TZ": "Asia/Tokyo"}
        env = home if year == "2033" else {}
        subprocess.run(
            [sys.executable, "-c", script, ROOT], check=True, capture_output=True, env=env
        )
        contents.append(written())
    first, second = contents
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []
    sections = ("fig3", "gains", "training")
    figures = {f"figures/{name}.{kind}" for name in sections for kind in ("svg", "pdf")}
    tables = {f"table1.{kind}" for kind in ("csv", "md", "tex")}
    assert set(first) == figures | tables | {"index.html", "kshot.csv", "training.csv"}
    assert len(first["index.html"]) < 3e6
    for name in sections:
        ET.fromstring(first[f"figures/{name}.svg"])
        assert first[f"figures/{name}.pdf"].startswith(b"%PDF")


def test_points_for_dvcs_plots_and_table_1_with_all_digits(project):
    report()
    files = {name: content.decode() for name, content in written().items() if name[-3:] == "csv"}
    header, *points = files["kshot.csv"].splitlines()
    assert header.startswith("variant,k,ppl,")
    own = artifacts.kshot_file("in_place").read_text().splitlines()[1:]
    assert [p.removeprefix("in_place,") for p in points if p.startswith("in_place,")] == own
    assert files["training.csv"].splitlines() == [
        "variant,seed,step,valid_loss,valid_adapted_loss,adaptation_gain",
        "in_place,0,0,2.5,,",
        "in_place,0,2,1.5,,",
    ]
    rows = {row["title"]: row for row in csv.DictReader(files["table1.csv"].splitlines())}
    details = artifacts.read_json(artifacts.details_file("in_place"), made_by="score")
    for metric in ("ppl", "hits_at_1", "f1"):
        for end, key in (("value", metric), ("low", f"{metric}_low"), ("high", f"{metric}_high")):
            expected = details["metrics"][metric][end]
            assert float(rows["In-place MAMLviaPP"][key]) == expected
    assert rows["In-place MAMLviaPP"]["ppl_paper"] == "14.1"
    assert rows["Unigrams"]["hits_at_1"] == ""


def test_rows_and_runs_that_are_not_in_force_are_left_out(project, capsys):
    """DVC leaves what a dropped variant or seed wrote; it may be of another corpus."""
    for folder in (artifacts.KSHOT, artifacts.DETAILS):
        (there,) = folder.glob("transfer.*")
        shutil.copy(there, there.with_stem("dropped"))
    for name, seed in (("in_place", 7), ("dropped", 0), ("p2_receiver", 0)):
        train(project, name, seed)
    say_one_run(project)
    report()
    assert "kshot: left out, not in scored of params.yaml: dropped" in capsys.readouterr().out
    assert "dropped" not in page().words
    rows = (artifacts.REPORT / "training.csv").read_text().splitlines()[1:]
    assert {row.split(",")[0] for row in rows} == {"in_place", "p2_receiver"}
    assert {row.split(",")[1] for row in rows} == {"0"}


def test_rows_stand_in_the_order_of_params_for_dvc():
    assert by_variant({"b": "k,ppl\n0,1\n", "a": "k,ppl\n0,2\n1,3\n"}) == (
        "variant,k,ppl\nb,0,1\na,0,2\na,1,3\n"
    )


def test_predictions_of_other_tasks_are_no_samples(project):
    talk(project, "hello")
    (last,) = (artifacts.predictions_file(name) for name in sorted(scored())[-1:])
    last.write_text(last.read_text().replace("hello say 0", "somebody else"))
    say_one_run(project)
    with pytest.raises(DataError, match="predicted on other tasks"):
        report()


def test_without_predictions_the_page_says_so(project):
    report()
    assert "No predictions with responses are here" in page().words


def test_without_scores_the_stage_to_run_is_named(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_bytes((ROOT / "presets/embedded.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match=r"stages\.score"):
        report()


@pytest.mark.parametrize("name", ["params.yaml", "presets/paper.yaml"])
def test_values_that_are_edited_while_figures_are_drawn(project, monkeypatch, name):
    """The page shows both files' values, those that no view of the report has included."""
    presets = project / artifacts.PRESETS
    presets.unlink()
    shutil.copytree(ROOT / artifacts.PRESETS, presets)
    file = project / name
    text = file.read_text(encoding="utf-8")

    def editing(*_):
        file.write_text(text.replace("\nouter_lr: ", "\nouter_lr: 1"), encoding="utf-8")
        return {}

    monkeypatch.setattr(stage, "files", editing)
    with pytest.raises(ParamsError, match=rf"^{name}: outer_lr was .* put the first back"):
        report()
    assert not artifacts.REPORT.exists()

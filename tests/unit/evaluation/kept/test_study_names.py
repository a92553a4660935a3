"""What `study` writes lies in a folder of its own, and nothing of the user's is lost there."""

import shutil
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError
from pipeline.evaluation.kept.keep import keep
from stages.studies.study import Action, study
from tests.support.one_run import say_one_run
from tests.wiring.closure import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a finished run, in a folder in which others lie."""
    root = tmp_path / "a/project"
    shutil.copytree(ROOT / "metrics", root / "metrics")
    shutil.copy(ROOT / "presets/embedded.yaml", root / "params.yaml")
    for name in ("studies", "data", "report", "models"):
        artifacts.write_text(root / name / "about.md", "mine\n")
    artifacts.write_text(tmp_path / "a/README.md", "mine\n")
    say_one_run(root)
    monkeypatch.chdir(root)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("action", [Action.KEEP, Action.README, Action.RESULTS])
@pytest.mark.parametrize(
    "name",
    [
        "../data",
        "../report",
        "../models",
        "..",
        ".",
        "",
        "../../x",
        "/dev/null/x",
        "a/b",
        "a.b",
        "-a",
    ],
)
def test_a_study_has_a_plain_name(project, action, name):
    before = files(project)
    with pytest.raises(ParamsError, match=r"a study's name is made of letters.*studies/NAME"):
        study(action, name)
    assert files(project) == before


def test_a_study_that_is_a_link_to_an_out_is_refused(project):
    Path("studies/mine").symlink_to("../report")
    before = files(project)
    for action in (Action.KEEP, Action.README):
        with pytest.raises(ParamsError, match="NAME: 'studies/mine' and report, which stages"):
            study(action, "mine")
    assert files(project) == before


@pytest.mark.parametrize(
    "name",
    [
        *("metrics/notes.txt", "kshot/more/in_place.csv", "history/in_place.md", "runs.json/mine"),
        *("metrics/mine.json", "kshot/mine.csv", "sums/mine.csv", "history/mine.csv"),
        "support/mine.json",
    ],
)
def test_what_keep_did_not_write_is_not_replaced(project, name):
    kept = Path("studies/mine")
    keep(Path(), kept)
    shutil.rmtree(kept / "runs.json", ignore_errors=True)
    (kept / "runs.json").unlink(missing_ok=True)
    artifacts.write_text(kept / name, "mine\n")
    before = files(project)
    with pytest.raises(DataError, match="not written by `study keep`, which replaces studies/mi"):
        keep(Path(), kept)
    assert files(project) == before


def test_what_keep_wrote_is_replaced_whatever_became_of_it(project):
    """A variant that is gone from params.yaml; details that are damaged, so that a remedy works."""
    kept = Path("studies/mine")
    keep(Path(), kept)
    before = files(kept)
    (kept / "metrics/transfer.json").write_text("{")
    (kept / "metrics/gone.json").write_bytes((kept / "metrics/in_place.json").read_bytes())
    keep(Path(), kept)
    assert files(kept) == before


@pytest.mark.parametrize("name", ["support/mine.json", "history/mine.csv", "summary.json"])
def test_in_a_folder_that_is_no_study_nothing_is_keeps_own(project, name):
    kept = Path("studies/mine")
    artifacts.write_text(kept / name, "mine\n")
    with pytest.raises(DataError, match=f"studies/mine/{name.split('/')[0]}: not written by"):
        keep(Path(), kept)
    assert files(kept) == {name: b"mine\n"}


def test_a_link_in_the_place_of_a_folder_of_keeps_is_not_replaced(project):
    kept = Path("studies/mine")
    keep(Path(), kept)
    (kept / "support").symlink_to("nowhere")
    with pytest.raises(DataError, match="studies/mine/support: not written by"):
        keep(Path(), kept)
    assert (kept / "support").is_symlink()


def test_what_lies_beside_stays_as_it_is(project):
    kept = Path("studies/mine")
    keep(Path(), kept)
    artifacts.write_text(kept / "trials/mine.json", '{"b": 1,\n\n"a": 1e400}')
    (kept / "trials/empty").mkdir()
    (kept / "trials/link").symlink_to("nowhere")
    before = files(kept)
    keep(Path(), kept)
    assert files(kept) == before
    assert (kept / "trials/empty").is_dir()
    assert (kept / "trials/link").is_symlink()

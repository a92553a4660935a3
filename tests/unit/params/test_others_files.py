"""A result replaces an earlier result, and no file that somebody else wrote."""

from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError, ParamsError
from pipeline.evaluation.report.samples.samples import Context, is_markdown, markdown
from pipeline.evaluation.studies.schemas import Convai2Floors
from pipeline.params.inputs import json_with, refuse_in_outs, refuse_others_file, refuse_target
from stages.commands.samples import samples
from stages.studies.convai2 import convai2
from stages.studies.simulate import simulate
from stages.studies.study import Action, study
from tests.wiring.closure import ROOT


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.yaml", "dvc.lock"):
        Path(name).write_bytes((ROOT / name).read_bytes())
    Path("notes.md").write_text("## My notes\n")
    Path("notes.json").write_text('{"mine": 1}')


def files() -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(Path().rglob("*")) if p.is_file()}


COMMANDS = {
    "samples": lambda path: samples(out=path),
    "convai2": lambda path: convai2(Path("corpus"), out=path),
    "simulate": lambda path: simulate(out=path),
    "population": lambda path: simulate([Path("a"), Path("b")], population=path),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("given", ["notes.md", "notes.json", "./x/../notes.md", "/dev/null"])
def test_a_file_of_the_users_stays(command, given):
    before = files()
    with pytest.raises(ParamsError, match=r"--\w+: '.*' is there, and this command, which would"):
        COMMANDS[command](Path(given))
    assert files() == before


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("given", ["params.yaml", "dvc.yaml", "dvc.lock"])
def test_a_projects_own_files_are_no_place_for_a_result(command, given):
    Path(given).unlink()
    with pytest.raises(ParamsError, match=rf"{given} is the project's own; name another place"):
        COMMANDS[command](Path("x/..") / given)


def test_a_folder_that_is_another_project_is_no_place_for_a_study():
    artifacts.write_text(Path("other/dvc.yaml"), "stages: {}\n")
    with pytest.raises(ParamsError, match="'other' is a project, which has files of the same n"):
        refuse_target(Path("other"), "--study")


@pytest.mark.parametrize(
    ("command", "earlier"),
    [
        ("convai2", artifacts.CONVAI2),
        ("simulate", artifacts.SIMULATION),
        ("population", artifacts.PERSONA_SUMS),
    ],
)
def test_an_earlier_result_may_be_replaced(command, earlier):
    Path("result").write_bytes((ROOT / earlier).read_bytes())
    with pytest.raises((DataError, MissingFileError)):  # what they read is not there
        COMMANDS[command](Path("result"))
    for other in COMMANDS.keys() - {command}:
        with pytest.raises(ParamsError, match="did not write it"):
            COMMANDS[other](Path("result"))


@pytest.mark.parametrize("dialogue", ["test-1", "ann\n# her own/0"])
def test_earlier_samples_may_be_replaced(dialogue):
    context = Context((dialogue, 3), ["i fish ."], [("user", "hi")], "yes")
    assert is_markdown(markdown([context], {}).encode())
    assert not is_markdown(b"## My notes, turned around\n")


@pytest.mark.parametrize("content", [b"", b"{" * 100_000, b"[1]", b"\xff", b'{"a": 1'])
def test_what_is_no_json_is_nobodys_result(content):
    path = Path("out")
    path.write_bytes(content)
    own = json_with(["a"])
    if content:
        with pytest.raises(ParamsError, match="did not write it"):
            refuse_others_file(path, "--out", own)
    else:
        refuse_others_file(path, "--out", own)


def test_a_result_and_what_it_is_made_from_are_two_files():
    with pytest.raises(ParamsError, match="--out and --population are both x"):
        simulate(out=Path("x.json"), population=Path("y/../x.json"))
    with pytest.raises(DataError, match=r"a\.jsonl: given twice; give two variants' predictions"):
        simulate([Path("a.jsonl"), Path("./a.jsonl")], out=Path("x"), population=Path("y"))


def test_a_readme_that_was_written_by_hand_stays():
    artifacts.write_text(Path("studies/mine/about.md"), "# Mine\n")
    study(Action.README, "mine")
    study(Action.README, "mine")
    Path("studies/mine/README.md").write_text("by hand")
    with pytest.raises(ParamsError, match=r"readme mine: 'studies/mine/README.md' is there, and"):
        study(Action.README, "mine")
    assert Path("studies/mine/README.md").read_text() == "by hand"


def test_the_floors_that_are_kept_have_todays_keys():
    assert json_with(Convai2Floors.model_fields)((ROOT / artifacts.CONVAI2).read_bytes())


def test_a_link_to_itself_is_passed_over():
    Path("mine").mkdir()
    Path("mine/round").symlink_to("round")
    refuse_in_outs("mine", "data.source")
    with pytest.raises(ParamsError, match=r"data\.source: 'mine/round': its links lead in a"):
        refuse_in_outs("mine/round", "data.source")
    with pytest.raises(ParamsError, match="its links lead in a circle; give another path"):
        refuse_target(Path("mine/round"), "--out")

"""A checkpoint and a journal belong to the code that their program uses, and to no other code."""

import shutil
import sys
from importlib.machinery import ModuleSpec

import pytest

from pipeline.processes import fingerprint as fingerprints
from pipeline.processes.code import PROJECT, code_in_use, needs, script_of
from pipeline.processes.fingerprint import begin, code_sha256, edited_meanwhile, fingerprint


@pytest.fixture
def project(tmp_path):
    """A copy of the code."""
    for name in ("pipeline", "stages"):
        shutil.copytree(
            PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def running(monkeypatch, project, module):
    """Let the running program be `python -m stages.NAME`."""
    spec = ModuleSpec(module, None, origin=str(script_of(module, project)))
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)


@pytest.fixture
def begun(project, monkeypatch):
    """The copy, with the running program begun as `python -m stages.meta_train`."""
    monkeypatch.setattr(fingerprints, "_began_with", None)
    begin("meta_train", project)
    return project


def edit(project, name):
    with (project / name).open("a", encoding="utf-8") as file:
        file.write("\nEDITED = True\n")


UNUSED = [
    "pipeline/evaluation/report/charts/draw.py",
    "pipeline/learning/p2bot/self_play/rewards.py",
    "pipeline/processes/journal.py",
    "stages/finetune.py",
    "stages/shell/console.py",
]
USED = [
    "stages/meta_train.py",
    "pipeline/learning/inner/inner_step.py",
    "pipeline/learning/meta/maml.py",
    "pipeline/model/derivatives/attention.py",
]


@pytest.mark.parametrize("name", UNUSED)
def test_an_edit_of_other_code_keeps_the_name(project, monkeypatch, name):
    running(monkeypatch, project, "stages.meta_train")
    before = fingerprint({}, project)
    edit(project, name)
    assert fingerprint({}, project) == before


@pytest.mark.parametrize("name", USED)
def test_an_edit_of_code_in_use_changes_the_name(project, monkeypatch, name):
    running(monkeypatch, project, "stages.meta_train")
    before = fingerprint({}, project)
    edit(project, name)
    assert fingerprint({}, project) != before


def test_a_new_import_and_a_renamed_file_change_the_name(project, monkeypatch):
    running(monkeypatch, project, "stages.meta_train")
    before = fingerprint({}, project)
    maml = project / "pipeline/learning/meta/maml.py"
    text = maml.read_text(encoding="utf-8")
    maml.write_text(text + "\nimport pipeline.learning.meta.added\n", encoding="utf-8")
    (project / "pipeline/learning/meta/added.py").write_text("A = 1\n")
    added = fingerprint({}, project)
    maml.write_text(text + "\nimport pipeline.learning.meta.other\n", encoding="utf-8")
    (project / "pipeline/learning/meta/added.py").rename(
        project / "pipeline/learning/meta/other.py"
    )
    assert len({before, added, fingerprint({}, project)}) == 3


def test_a_command_that_is_no_stage_has_code_of_its_own(project, monkeypatch):
    running(monkeypatch, project, "stages.support")
    before = fingerprint({}, project)
    edit(project, "stages/finetune.py")
    assert fingerprint({}, project) == before
    edit(project, "pipeline/evaluation/controls/support_fit.py")
    assert fingerprint({}, project) != before


@pytest.mark.parametrize("change", ["edit", "add", "rename"])
def test_any_other_program_uses_all_code(project, change):
    before = fingerprint({}, project)
    source = project / "pipeline/evaluation/report/charts/draw.py"
    if change == "edit":
        edit(project, "pipeline/evaluation/report/charts/draw.py")
    elif change == "add":
        (project / "stages/new.py").write_text("")
    else:
        source.rename(source.with_name("drawing.py"))
    assert fingerprint({}, project) != before


def test_files_that_are_no_code_do_not_count(project):
    before = fingerprint({}, project)
    (project / "stages/notes.txt").write_text("x")
    assert fingerprint({}, project) == before
    assert "stages/notes.txt" not in code_in_use(project)


def test_data_beside_a_module_is_code(project, monkeypatch):
    running(monkeypatch, project, "stages.report")
    before = fingerprint({}, project)
    data = project / "pipeline/evaluation/report/published.yaml"
    data.write_text(data.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    assert fingerprint({}, project) != before


@pytest.mark.parametrize("name", USED)
def test_an_edit_of_running_code_is_noticed_and_renames_nothing(begun, name):
    before, text = fingerprint({}, begun), (begun / name).read_bytes()
    edit(begun, name)
    assert (edited_meanwhile(), fingerprint({}, begun)) == (name, before)
    (begun / name).unlink()
    assert (edited_meanwhile(), fingerprint({}, begun)) == (name, before)
    (begun / name).write_bytes(text)
    assert edited_meanwhile() is None


@pytest.mark.parametrize("name", UNUSED)
def test_an_edit_of_other_code_is_none_of_running_code(begun, name):
    edit(begun, name)
    assert edited_meanwhile() is None


def test_running_code_has_the_name_that_it_has_on_the_disk(begun, monkeypatch):
    """A checkpoint is found again however its stage was started."""
    then = code_sha256(begun)
    monkeypatch.setattr(fingerprints, "_began_with", None)
    running(monkeypatch, begun, "stages.meta_train")
    assert code_sha256(begun) == then


def test_what_is_no_command_of_this_project_has_no_code_at_its_start(project, monkeypatch):
    monkeypatch.setattr(fingerprints, "_began_with", None)
    for name in ("none", "__init__"):
        begin(name, project)
    assert edited_meanwhile() is None


def test_what_needs_torch_is_known():
    assert needs(script_of("stages.finetune"), "torch")
    assert not needs(script_of("stages.score"), "torch")

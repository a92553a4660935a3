"""The tests pass whatever preset is in force, and with a variant added as the README says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from tests.wiring.closure import ROOT


NAME = "in_place_first_order"
AXES = "{init: pretrained, set: {meta_gradient: first_order}}"

# Tests that train, start commands or render studies: too slow to run twice.
TRAINS = re.compile(r"toy_project|make_learner|support\.processes|subprocess|evaluation\.kept|slow")
READS = re.compile(r"presets/embedded|artifacts\.PARAMS|load_preset")


def run(*command: str, cwd: Path) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "GIT_", "PYTEST_"))}
    env |= {"PYTHONPATH": str(cwd), "PATH": f"{Path(sys.executable).parent}:{env['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=env, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def listed(*options: str) -> list[str]:
    names = run("git", "ls-files", "-z", *options, cwd=ROOT).split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A copy of the tree with preset `small` in force."""
    folder = tmp_path_factory.mktemp("any_preset") / "repo"
    for name in listed("-co", "--exclude-standard"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    run("git", "init", "-q", cwd=folder)
    run(sys.executable, "-m", "stages.preset", "small", cwd=folder)
    return folder


def test_params_yaml_in_git_is_the_embedded_preset():
    """Lines may be added, as for a variant, and any other preset may be committed."""
    committed = run("git", "show", "HEAD:params.yaml", cwd=ROOT).splitlines()
    embedded = run("git", "show", "HEAD:presets/embedded.yaml", cwd=ROOT).splitlines()
    if "# Preset `embedded`" in "\n".join(committed):
        rest = iter(committed)
        missing = [line for line in embedded if line not in rest]
        assert missing == [], "change both files, or say in params.yaml which preset it is"


def add_variant(folder: Path) -> None:
    """Add a variant by one edit of params.yaml: its name to two lists, its axes to `variants`."""
    path = folder / "params.yaml"
    text = path.read_text()
    for key in ("meta_trained", "scored"):
        text = re.sub(rf"^{key}:.*\n", rf"\g<0>  - {NAME}\n", text, flags=re.MULTILINE)
    text = re.sub(r"^variants:.*\n", rf"\g<0>  {NAME}: {AXES}\n", text, flags=re.MULTILINE)
    path.write_text(text)


def commit(folder: Path) -> None:
    run("git", "add", "-A", cwd=folder)
    who = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")
    run("git", *who, "commit", "-qm", "t", cwd=folder)


def _is_params(dep: object) -> bool:
    return isinstance(dep, ParamsDependency)


def stages_of(folder: Path) -> dict[str, object]:
    """What DVC would run, by stage: the command, what it depends on, with its content, its outs."""

    def content(path: str) -> bytes | None:
        return (folder / path).read_bytes() if (folder / path).is_file() else None

    with Repo(str(folder)) as repo:
        return {
            stage.addressing: (
                stage.cmd,
                sorted((dep.def_path, str(dep.dumpd())) for dep in stage.deps),
                {d.def_path: content(d.def_path) for d in stage.deps if not _is_params(d)},
                [dep.read_params() for dep in stage.deps if _is_params(dep)],
                sorted(out.def_path for out in stage.outs),
            )
            for stage in repo.index.stages
        }


def test_a_new_row_reruns_only_its_own_stages_and_the_tables(small, monkeypatch):
    monkeypatch.chdir(small)
    before = stages_of(small)
    add_variant(small)
    after = stages_of(small)
    own = {f"meta_train@{NAME}-0", f"finetune@{NAME}", f"score@{NAME}"}
    assert set(after) - set(before) == own
    assert {name for name in before if before[name] != after[name]} == {"compare", "report"}


def chosen(folder: Path) -> list[str]:
    """The tests of wiring and units that read parameters and train nothing."""
    paths = [*folder.glob("tests/wiring/test_*.py"), *folder.glob("tests/unit/**/test_*.py")]
    texts = {path.relative_to(folder).as_posix(): path.read_text() for path in paths}
    del texts["tests/wiring/test_any_preset.py"]
    return sorted(
        name for name, text in texts.items() if READS.search(text) and not TRAINS.search(text)
    )


def test_all_tests_of_parameters_pass(small):
    if f"{NAME}:" not in (small / "params.yaml").read_text():
        add_variant(small)
    commit(small)
    tests = chosen(small)
    assert {"tests/wiring/test_dvc_yaml.py", "tests/unit/params/test_params.py"} <= set(tests)
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, cwd=small)

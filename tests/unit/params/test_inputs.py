"""An input where stages write is refused before anything is removed, however it is spelled."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.errors import DataError, ParamsError
from pipeline.params import Settings, read_yaml
from pipeline.params.inputs import PATH_KEYS, WRITTEN, refuse_target
from pipeline.params.presets import put_in_force
from stages.commands.export import export
from stages.commands.samples import samples
from stages.download import download
from stages.few_shot.kept_runs import keep
from stages.studies.convai2 import convai2
from stages.studies.simulate import simulate
from stages.tasks import tasks
from tests.wiring.closure import ROOT


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "project"
    (folder / "data/raw").mkdir(parents=True)
    (folder / "presets").mkdir()
    (folder / "presets/embedded.yaml").write_bytes((ROOT / "presets/embedded.yaml").read_bytes())
    monkeypatch.chdir(folder)
    return folder


def with_value(key: str, value: str) -> dict:
    values = read_yaml(Path("presets/embedded.yaml"))
    *path, last = key.split(".")
    node = values
    for part in path:
        node = node[part]
    node[last] = value
    return values


def test_every_out_lies_where_no_input_may_lie():
    for stage in read_yaml(ROOT / "dvc.yaml")["stages"].values():
        for out in (*stage["outs"], *stage.get("metrics", ())):
            path = Path(out if isinstance(out, str) else next(iter(out)))
            assert any(path.is_relative_to(place) for place in WRITTEN), path


@pytest.mark.parametrize("key", PATH_KEYS)
@pytest.mark.parametrize("out", WRITTEN, ids=str)
def test_every_path_is_refused_in_every_out(key, out):
    for given in (f"{out}", f"{out}/mine", f"./x/../{out}/", str(Path(out).absolute())):
        with pytest.raises(ParamsError, match=rf"{key}: '.*' and {out}, which stages write"):
            Settings(with_value(key, given), "params.yaml")


@pytest.mark.parametrize("given", [".", "data", "..", "~/project"])
def test_a_folder_around_an_out_is_refused(given, project, monkeypatch):
    monkeypatch.setenv("HOME", str(project.parent))
    with pytest.raises(ParamsError, match="lie one in the other"):
        Settings(with_value("data.source", given), "params.yaml")


@pytest.mark.parametrize(
    "given", ["data/*.txt", "x/../data/*.TXT", "d*/r?w/*", "**/*.txt", "*/raw/train*"]
)
def test_a_pattern_that_may_name_what_stages_write_is_refused(given):
    """`data/*.txt` would read data/pretrain.txt from the second run on."""
    with pytest.raises(ParamsError, match="lie one in the other"):
        Settings(with_value("data.source", given), "params.yaml")


@pytest.mark.parametrize("given", ["mine/*.txt", "../corpus/**/*.jsonl", "data/mine/*"])
def test_a_pattern_of_other_files_is_taken(given):
    Settings(with_value("data.source", given), "params.yaml")


def test_links_are_seen_through(project):
    other = project.parent / "other"
    other.mkdir()
    Path("link").symlink_to("data/raw")
    Path("data/raw/train_self_original.txt").touch()
    (other / "train_self_original.txt").symlink_to(
        Path("data/raw/train_self_original.txt").absolute()
    )
    Path("data/tasks").symlink_to(other)  # the out is the link
    for given in ("link", "link/x", str(other), str(other / "valid")):
        with pytest.raises(ParamsError, match="lie one in the other"):
            Settings(with_value("data.source", given), "params.yaml")


@pytest.mark.parametrize("deep", ["", "a/", "a/b/c/"])
@pytest.mark.parametrize("given", ["{}", "{}/**/*.txt"])
def test_links_are_seen_through_however_deep(project, deep, given):
    place = project.parent / "mine" / deep
    place.mkdir(parents=True)
    for number in range(1200):
        (place / f"{number}.jsonl").touch()
    Path("data/raw/x.txt").touch()
    (place / "z.txt").symlink_to(project / "data/raw/x.txt")
    source = given.format(project.parent / "mine")
    with pytest.raises(ParamsError, match=r"data\.source.*lie one in the other"):
        Settings(with_value("data.source", source), "params.yaml")


def test_a_pattern_through_a_link_is_refused(project):
    (project.parent / "mine").mkdir()
    (project.parent / "mine/sub").symlink_to(project / "data/raw")
    Path("data/raw/x.txt").touch()
    with pytest.raises(ParamsError, match="lie one in the other"):
        Settings(with_value("data.source", f"{project.parent}/mine/sub/*.txt"), "params.yaml")


def test_links_to_other_places_are_taken(project):
    (project.parent / "mine").mkdir()
    (project.parent / "other.txt").touch()
    (project.parent / "mine/a.txt").symlink_to(project.parent / "other.txt")
    for given in ("mine", "mine/*.txt"):
        Settings(with_value("data.source", f"{project.parent}/{given}"), "params.yaml")


PLACES = [*WRITTEN, Path("data"), Path(".dvc"), Path(".git")]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_no_result_may_lie_where_stages_write(place, project):
    for given in (place, place / "mine", Path("x/..") / place / "a/b", place.absolute(), Path()):
        with pytest.raises(ParamsError, match=r"--out: '.*' and .* lie one in the other"):
            refuse_target(given, "--out")
    (project / "link").symlink_to(place)
    with pytest.raises(ParamsError, match="lie one in the other"):
        refuse_target(Path("link/x"), "--out")


@pytest.mark.parametrize(
    "given", ["mine", "studies/x.json", "docs/models", "../models", "models2", "metrics.md"]
)
def test_results_may_lie_elsewhere(given):
    refuse_target(Path(given), "--out")


@pytest.mark.parametrize(
    "command",
    [
        lambda: samples(out=Path("metrics/x.md")),
        lambda: convai2(Path("x"), out=Path("data/x.json")),
        lambda: simulate(out=Path("predictions/x.json")),
        lambda: simulate([Path("a"), Path("b")], population=Path("models/x.json")),
        lambda: export("in_place", Path("models/mine")),
        lambda: keep(Path(), Path("report"), "0.1"),
    ],
    ids=["samples", "convai2", "simulate", "population", "export", "study"],
)
def test_a_command_refuses_it_before_it_works(command):
    Path("params.yaml").write_bytes(Path("presets/embedded.yaml").read_bytes())
    with pytest.raises(ParamsError, match="lie one in the other; name a place of its own"):
        command()


def test_a_file_spelled_otherwise_is_the_same_file(monkeypatch, project):
    """As where the file system tells no case."""
    monkeypatch.setattr(
        Path,
        "samefile",
        lambda one, other: str(one.absolute()).lower() == str(Path(other).absolute()).lower(),
    )
    with pytest.raises(ParamsError, match="lie one in the other"):
        Settings(with_value("data.source", "DATA/Raw"), "params.yaml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.source", "../corpus.tgz"),
        ("data.source", "data/corpus.tgz"),
        ("data.source", "data/raw2"),
        ("base.source", "gpt2"),
        ("base.source", "owner/models"),
        ("data.pretrain", "data/pretrain.txt.xz"),
    ],
)
def test_other_places_are_taken(key, value):
    Settings(with_value(key, value), "params.yaml")


def test_the_preset_is_not_put_in_force():
    Path("params.yaml").write_text("old")
    with pytest.raises(ParamsError, match=r"data\.source: 'data/raw' and data/raw"):
        put_in_force("embedded", ["data.source=data/raw"])
    assert Path("params.yaml").read_text() == "old"


USERS = ("train_self_original.txt", "valid_self_original.txt", "test_self_original.txt")


def put_in_force_by_hand(values: dict) -> None:
    YAML().dump(values, Path("params.yaml"))


def test_dvc_deletes_no_file_of_the_users(project):
    """`dvc repro` itself, with files of the user's in data/raw, named as a source or not."""
    dvc = Path(sys.executable).with_name("dvc")
    for name in USERS:
        Path(f"data/raw/{name}").write_text("mine")
    (project / "stages").symlink_to(ROOT / "stages")
    (project / "pipeline").symlink_to(ROOT / "pipeline")
    declared = read_yaml(ROOT / "dvc.yaml")["stages"]["download"]
    kept = {"cmd": f"{sys.executable} -m stages.download", "outs": declared["outs"]}
    YAML().dump({"stages": {"download": kept | {"params": ["data"]}}}, Path("dvc.yaml"))
    subprocess.run([dvc, "init", "--no-scm", "-q"], check=True)
    for source in ("data/raw", "synthetic"):
        put_in_force_by_hand(with_value("data.source", source))
        done = subprocess.run([dvc, "repro", "-q"], capture_output=True, text=True, check=False)
        assert done.returncode
        assert "data/raw" in done.stderr
        there = {path.name: path.read_text() for path in Path("data/raw").iterdir()}
        assert there == dict.fromkeys(USERS, "mine")


def test_a_stage_replaces_its_own_files_only(project):
    values = with_value("data.source", "synthetic")
    small = {"people": {"train": 2, "valid": 1, "test": 1}, "dialogues": 2, "pretrain_lines": 20}
    values["data"]["synthetic"] |= small
    put_in_force_by_hand(values)
    for stage in (download, download, tasks, tasks):
        stage()
    Path("data/tasks/notes").touch()
    with pytest.raises(DataError, match=r"data/tasks/notes: not written by this stage"):
        tasks()
    Path("data/raw/\x1b[31m").touch()
    with pytest.raises(DataError, match=r"data/raw/\\x1b\[31m: not written by this stage"):
        download()
    Path("data/raw/\x1b[31m").unlink()
    edited = Path("data/raw/train_self_original.txt")
    edited.write_text(f"{edited.read_text()}1 mine\n")
    with pytest.raises(DataError, match="changed since stage download wrote it"):
        download()
    assert edited.read_text().endswith("1 mine\n")
    assert Path("data/tasks/notes").is_file()

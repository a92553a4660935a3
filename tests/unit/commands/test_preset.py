"""`stages.preset`: the preset's own text, or the same text with one value changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ParamsError
from pipeline.params import Settings, load_preset, read_yaml
from pipeline.params.edit import with_values
from pipeline.params.presets import preset_text
from stages.commands.preset import preset
from tests.wiring.closure import ROOT


NAMES = ["embedded", "paper", "real_cpu", "real_gpu", "small", "smollm2", "smollm2_gpu"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the presets and a params.yaml that must not be lost."""
    (tmp_path / "presets").mkdir()
    for name in NAMES:
        text = (ROOT / f"presets/{name}.yaml").read_bytes()
        (tmp_path / f"presets/{name}.yaml").write_bytes(text)
    (tmp_path / "params.yaml").write_text("old\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    return [(old, new) for old, new in pairs if old != new]


def test_without_changes_the_bytes_are_the_presets(project):
    """Whatever a user's params.yaml held before."""
    preset("embedded")
    assert (project / "params.yaml").read_bytes() == (ROOT / "presets/embedded.yaml").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_without_changes_the_values_are_the_presets(project, name):
    preset(name)
    assert Settings.load().check() == load_preset(name, ROOT / "presets").check()


def test_without_changes_the_writer_is_not_asked(project):
    """A preset laid out in another way than ruamel would lay it out."""
    other = "# by hand\n\n" + (ROOT / "presets/embedded.yaml").read_text().replace(
        "inner_steps: 1", "inner_steps:    1"
    )
    (project / "presets/mine.yaml").write_text(other)
    preset("mine")
    assert (project / "params.yaml").read_text() == other


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("inner_lr=1e-05", 1e-05),  # a number by YAML 1.2, text by 1.1
        ("inner_batch_size=7", 7),
        ("data.source=https://example.org/a=b.tgz", "https://example.org/a=b.tgz"),
        ("base.pretrain.holdout=0.5", 0.5),
        ("variants.in_place.init=random", "random"),
    ],
)
def test_one_value_changes_and_every_other_character_stays(project, name, assignment, value):
    before = preset_text(name, ROOT / "presets")
    after = with_values(before, [assignment])
    ((old, new),) = changed_lines(before, after)
    assert old.partition("#")[2] == new.partition("#")[2]
    Path("params.yaml").write_text(after)
    node = read_yaml(Path("params.yaml"))
    for part in assignment.partition("=")[0].split("."):
        node = node[part]
    assert node == value


@pytest.mark.parametrize("items", ["[]", "[3]", "[3, 4, 5, 6]"])
@pytest.mark.parametrize("key", ["seeds", "finetune.k"])
def test_a_list_of_another_length_keeps_its_comments(project, key, items):
    before = (ROOT / "presets/embedded.yaml").read_text()
    after = with_values(before, [f"{key}={items}"])
    comments = [line.partition("#")[2] for line in before.splitlines() if "#" in line]
    kept = [line.partition("#")[2] for line in after.splitlines() if "#" in line]
    assert kept == comments
    assert after.count("\n\n") == before.count("\n\n")
    Path("params.yaml").write_text(after)
    node = read_yaml(Path("params.yaml"))
    for part in key.split("."):
        node = node[part]
    assert node == json.loads(items)


def test_an_emptied_list_can_be_filled_again(project):
    before = (ROOT / "presets/embedded.yaml").read_text()
    after = with_values(before, ["finetune.k=[]", "finetune.k=[2, 5]"])
    assert "  k: [2, 5]                   # support dialogues (Fig. 3)\n" in after


def test_null_is_written_as_null():
    before = (ROOT / "presets/embedded.yaml").read_text()
    after = with_values(before, ["tasks.max_personas.train=3", "tasks.max_personas.train=null"])
    assert after == before


def test_a_section_can_be_opened_and_a_variant_added(project):
    preset("embedded", ["variants.in_place.set={train.lr: 0.1}", "variants.mine={init: random}"])
    variants = read_yaml(project / "params.yaml")["variants"]
    assert variants["in_place"] == {"init": "pretrained", "set": {"train.lr": 0.1}}
    assert variants["mine"] == {"init": "random"}


@pytest.mark.parametrize(
    ("name", "assignments", "message"),
    [
        (
            "huge",
            [],
            r"no preset 'huge'; there are: embedded, paper, real_cpu, real_gpu, small, smollm2, ",
        ),
        ("../presets/small", [], r"there are: embedded, paper, real_cpu, real_gpu, small"),
        ("embedded", ["iner_lr=1"], r"presets/embedded.yaml: unknown key 'iner_lr'"),
        ("embedded", ["train.rate=1"], r"train.rate: unknown key"),
        ("embedded", ["train.lr.x=1"], r"--set train.lr.x=1: there is no such parameter"),
        ("embedded", ["trian.lr=1"], r"--set trian.lr=1: there is no such parameter"),
        ("embedded", ["inner_lr"], r"--set inner_lr: KEY=VALUE was expected"),
        ("embedded", ["=1"], r"KEY=VALUE was expected"),
        ("embedded", ["seeds=["], r"--set seeds=\[: the value is not YAML"),
        ("embedded", ["data.source=my chats #1"], r"--set .* #1: # begins a comment of YAML; put"),
        ("embedded", ["inner_lr=-1"], r"inner_lr: .*greater than 0, found -1"),
        ("embedded", ["variants.in_place.set={train.lr: -1}"], r"train.lr: .*greater than 0"),
    ],
)
def test_what_is_refused_leaves_params_as_they_were(project, name, assignments, message):
    with pytest.raises(ParamsError, match=message):
        preset(name, assignments)
    assert (project / "params.yaml").read_text() == "old\n"
    assert sorted(p.name for p in project.iterdir()) == ["params.yaml", "presets"]


def test_a_link_stays_a_link_to_what_is_in_force(project):
    mine = project / "mine.yaml"
    (project / "params.yaml").unlink(missing_ok=True)
    mine.touch()
    (project / "params.yaml").symlink_to(mine.name)
    preset("embedded", ["inner_lr=0.2"])
    assert (project / "params.yaml").is_symlink()
    assert read_yaml(mine)["inner_lr"] == 0.2


def test_a_preset_that_is_not_yaml_is_named(project):
    (project / "presets/mine.yaml").write_text("a: [")
    with pytest.raises(ParamsError, match=r"presets/mine.yaml: not valid YAML"):
        preset("mine", ["inner_lr=1"])


def test_the_command_says_what_it_did_and_fails_in_one_line(project):
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stages.preset", *args],
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("embedded", "--set", "seeds=[0, 1]")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "params.yaml: preset embedded with seeds=[0, 1]\n"
    done = run("embedded", "--set", "inner_lr=fast")
    assert done.returncode == 1
    assert "inner_lr" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*/params.yaml")), ids=str)
def test_a_studys_parameters_can_be_put_in_force(path):
    """They are kept up with new keys, so that a study can be run again."""
    assert Settings.load(path).check().scored

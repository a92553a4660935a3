"""The pipeline run for real, at toy size, through DVC's command line in a clone of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.params import read_yaml
from tests.wiring.closure import ROOT


# A variant of every stage, with and without φ's pre-training and Φ; the committed run has them all.
LISTS = {
    "trained": ["reinit", "transfer", "p2bot_transmitter"],
    "meta_trained": ["in_place", "extra_place"],
    "self_played": ["p2bot"],
    "scored": ["reinit", "transfer", "in_place", "extra_place", "p2bot"],
}
TOY = {key: json.dumps(names) for key, names in LISTS.items()} | {
    "data.synthetic.people.train": 10,
    "data.synthetic.people.valid": 3,
    "data.synthetic.people.test": 4,
    "data.synthetic.pretrain_lines": 1500,
    "base.pretrain.vocab_size": 400,
    "base.pretrain.width": 32,
    "base.pretrain.steps": 20,
    "base.pretrain.context": 512,
    "base.pretrain.sequence_length": 128,
    "train.steps": 10,
    "train.validate_every": 5,
    "train.valid_episodes": 1,
    "outer_steps": 6,
    "meta_train.validate_every": 3,
    "meta_train.valid_episodes": 1,
    "p2bot.receiver.steps": 4,
    "p2bot.receiver.validate_every": 2,
    "p2bot.self_play.steps": 3,
    "p2bot.self_play.validate_every": 2,
    "p2bot.self_play.valid_meetings": 2,
    "p2bot.self_play.max_new_tokens": 4,
    "finetune.epochs": "[0, 1]",
    "finetune.k": "[0, 1, 9]",
    "finetune.max_folds.valid": 1,
    "finetune.max_folds.test": 1,
    "generate.max_new_tokens": 4,
    "score.bootstrap_samples": 100,
    "compare.permutations": 100,
}

pytestmark = pytest.mark.slow


def run(*args: str, cwd: Path) -> str:
    """Run a command with this interpreter's folder first on the path, as in the venv."""
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env = {k: v for k, v in env.items() if not k.startswith(("DVC_", "GIT_"))}
    done = subprocess.run(args, cwd=cwd, env=env, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(*args: str, cwd: Path) -> str:
    return run(sys.executable, "-m", "dvc", *args, cwd=cwd)


def git(*args: str, cwd: Path) -> str:
    return run("git", *args, cwd=cwd)


def ran(output: str) -> set[str]:
    return set(re.findall(r"^Running stage '([^']+)':$", output, flags=re.MULTILINE))


def listed(clone: Path, key: str) -> set[str]:
    return set(read_yaml(clone / "params.yaml")[key])


def by_stage(stages: set[str]) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for stage in stages:
        kind, _, item = stage.partition("@")
        names.setdefault(kind, set()).add(re.sub(r"-\d+$", "", item))
    return names


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree's files in a new repository, at toy size, reproduced and committed."""
    where = tmp_path_factory.mktemp("clone") / "repo"
    listed = git("ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and name != "dvc.lock":
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, where / name)
    git("init", "-q", "-b", "main", cwd=where)
    for key, value in (("user.name", "t"), ("user.email", "t@t"), ("commit.gpgsign", "false")):
        git("config", key, value, cwd=where)
    sets = [part for key, value in TOY.items() for part in ("--set", f"{key}={value}")]
    run(sys.executable, "-m", "stages.preset", "embedded", *sets, cwd=where)
    run(sys.executable, "-m", "stages.repro", cwd=where)  # as `make repro`, quicker than DVC's own
    git("add", "-A", cwd=where)
    git("commit", "-qm", "toy", cwd=where)
    return where


def test_a_second_repro_runs_nothing(clone):
    assert ran(dvc("repro", cwd=clone)) == set()
    assert json.loads(dvc("status", "--json", cwd=clone)) == {}
    assert git("status", "--porcelain", cwd=clone) == ""


def test_every_variant_has_its_three_numbers(clone):
    for variant in listed(clone, "scored"):
        metrics = json.loads((clone / f"metrics/{variant}.json").read_text())
        assert set(metrics) == {"f1", "hits_at_1", "ppl"}
        assert metrics["ppl"] > 1
        assert 0 <= metrics["hits_at_1"] <= 100


def test_the_table_names_every_variant(clone):
    table = run(sys.executable, "-m", "stages.table", cwd=clone)
    for title in ("Transfer", "In-place", "Extra-place", "REINIT"):
        assert title in table


def test_fig_3_is_drawn_of_every_row(clone):
    rows = listed(clone, "scored")
    plots = json.loads(dvc("plots", "show", "--json", cwd=clone))
    by_k = {name: plot for name, plot in plots["data"].items() if name.startswith("fig_3")}
    assert len(by_k) == 3
    for (plot,) in by_k.values():
        content = plot["content"]
        assert {point["variant"] for point in content["data"]["values"]} == rows
        assert content["encoding"]["color"]["field"] == "variant"
    (valid,), (adapted,) = (plots["data"][f"training_valid{kind}"] for kind in ("", "_adapted"))
    trained = listed(clone, "trained") | listed(clone, "meta_trained")
    for plot in (valid, adapted):
        assert {point["variant"] for point in plot["content"]["data"]["values"]} >= trained


def test_fixed_phi_is_not_in_theta(clone):
    """Algorithm 2 trains Φ and the special tokens' rows, nothing else."""
    from safetensors import safe_open

    with safe_open(clone / "models/extra_place/seed-0/theta.safetensors", "pt") as file:
        names = set(file.keys())
    assert names
    assert all(".adapter." in name or name == "special.weight" for name in names)


def test_the_same_machine_gives_the_same_bytes(clone):
    """Without the cache, one variant of each kind again."""
    before = (clone / "dvc.lock").read_text()
    for stage in ("base", "train@transfer-0", "meta_train@in_place-0", "finetune@in_place"):
        assert stage in ran(dvc("repro", "-f", "-s", "--no-run-cache", stage, cwd=clone))
    assert (clone / "dvc.lock").read_text() == before


def test_inner_lr_reruns_the_meta_variants_and_nothing_else(clone):
    """The README's experiment, then `dvc metrics diff` between two branches."""
    meta = listed(clone, "meta_trained")
    output = dvc("exp", "run", "--name", "try", "-S", "inner_lr=0.01", cwd=clone)
    assert by_stage(ran(output)) == {
        "meta_train": meta,
        "finetune": meta,
        "score": meta,
        "compare": {""},
        "report": {""},
    }
    diff = json.loads(dvc("metrics", "diff", "--json", cwd=clone))
    assert {Path(path).stem for path in diff} == meta
    dvc("exp", "branch", "try", "other-alpha", cwd=clone)
    git("checkout", "-qf", "main", cwd=clone)
    between = json.loads(dvc("metrics", "diff", "--json", "main", "other-alpha", cwd=clone))
    assert between == diff
    assert ran(dvc("repro", cwd=clone)) <= {
        *(f"score@{variant}" for variant in meta),
        "compare",
    }  # all that costs anything comes back from the run cache

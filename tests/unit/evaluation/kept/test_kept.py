"""Studies that are kept: what is cut, what stays, and what documents read of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.kept.documents import pages, tables
from pipeline.evaluation.kept.documents.quote import Quote
from pipeline.evaluation.kept.keep import keep
from pipeline.evaluation.kept.slim import slim_comparison, slim_details, slim_history
from pipeline.evaluation.kept.study import Study, study_of, turned
from tests.support.one_run import say_one_run
from tests.wiring.closure import ROOT


SEEDS = "real_cpu_seeds"
HISTORY = "step,loss,valid_loss\n0,,2.5\n1,3.5,\n2,3.25,2.25\n"


def details(name="in_place"):
    return artifacts.read_json(ROOT / artifacts.details_file(name), made_by="score")


def comparison():
    return artifacts.read_json(ROOT / artifacts.COMPARISON, made_by="compare")


@pytest.fixture
def run(tmp_path):
    """A finished run: the committed metrics, a training run of one seed in force and of another."""
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")
    shutil.copy(ROOT / "presets/embedded.yaml", tmp_path / "params.yaml")
    for seed in (0, 7):
        folder = tmp_path / artifacts.model_dir("in_place", seed)
        artifacts.write_text(folder / "history.csv", HISTORY)
        artifacts.write_json(folder / "variant.json", record())
    say_one_run(tmp_path)
    return tmp_path


def record():
    (first, *_) = json.loads((ROOT / "studies" / SEEDS / "runs.json").read_text())["runs"]
    return first


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def study(name=SEEDS):
    return Study(name, ROOT / artifacts.STUDIES / name)


def test_headline_and_gains_stay_and_the_rest_goes():
    full = details()
    kept = slim_details(full)
    assert kept["metrics"]["ppl"]["value"] == pytest.approx(full["metrics"]["ppl"]["value"])
    assert kept["gain"]["low"] == pytest.approx(full["gain"]["low"])
    assert kept["k_shot"]["gain"]["8"] == pytest.approx(
        full["k_shot"]["points"]["8"]["gain_by_epoch"]["3"]
    )
    assert kept["k_shot"]["prompted"]["8"] == pytest.approx(
        full["k_shot"]["in_context"]["8"]["mean_k"]
    )
    assert not {"macro", "change", "epochs"} & set(kept)
    assert "crossed_low" not in kept["metrics"]["ppl"]  # a single seed has none
    assert 20 * len(artifacts.json_text(kept)) < len(artifacts.json_text(full))


def test_slimming_what_is_slim_changes_nothing():
    once = slim_details(details("transfertransfo"))
    assert slim_details(once) == once
    tests = slim_comparison(comparison(), ())
    assert slim_comparison(tests, ()) == tests


def test_files_older_than_the_verdict_get_todays():
    full = details()
    del full["adaptation"]
    assert slim_details(full)["adaptation"] == details()["adaptation"] == "personal"


def test_claims_stay_and_of_files_without_claims_the_pairs_that_are_asked_for():
    kept = slim_comparison(comparison(), ())
    assert len(kept["tests"]) == comparison()["families"]["claims"]["tests"]
    assert all(test["question"] for test in kept["tests"])
    older = {"alpha": 0.05, "tests": [t | {"question": None} for t in comparison()["tests"]]}
    kept = slim_comparison(older, {frozenset(("transfer", "reinit"))})
    assert {(test["a"], test["b"]) for test in kept["tests"]} == {("transfer", "reinit")}
    assert kept["families"] == {"all pairs": {"tests": len(older["tests"])}}


def test_of_a_history_the_validations_stay():
    assert slim_history(HISTORY) == "step,loss,valid_loss\n0,,2.5\n2,3.25,2.25\n"
    assert slim_history(slim_history(HISTORY)) == slim_history(HISTORY)
    assert slim_history("step,loss\n") == "step,loss\n"


def test_a_run_is_kept_with_what_its_parameters_name(run):
    folder = run / "studies/mine"
    keep(run, folder)
    found = files(folder)
    assert (folder / "params.yaml").read_bytes() == (run / "params.yaml").read_bytes()
    assert "metrics/in_place.json" in found
    assert "kshot/in_place.csv" in found
    assert [name for name in found if name.startswith("history/")] == [
        "history/in_place-seed-0.csv"
    ]
    assert json.loads(found["runs.json"])["runs"] == [record()]
    assert "floors.json" in found
    assert "metrics/comparison.json" not in found


def test_keeping_again_replaces_what_was_made_and_leaves_what_was_written(run):
    folder = run / "studies/mine"
    keep(run, folder)
    for name in ("about.md", "tuning/in_place.csv"):
        artifacts.write_text(folder / name, "mine\n")
    artifacts.write_text(folder / "metrics/gone.json", '{"headline": {}}\n')
    before = files(folder)
    keep(run, folder)
    assert files(folder) == {k: v for k, v in before.items() if k != "metrics/gone.json"}
    keep(folder, folder)
    assert files(folder) == {k: v for k, v in before.items() if k != "metrics/gone.json"}


@pytest.mark.parametrize("gone", ["params.yaml", "metrics/details"])
def test_what_is_no_finished_run_leaves_the_study_as_it_was(run, gone):
    folder = run / "studies/mine"
    keep(run, folder)
    before = files(folder)
    path = run / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataError):
        keep(run, folder)
    assert files(folder) == before


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*/metrics")), ids=str)
def test_every_committed_study_is_slim(path, tmp_path):
    shutil.copytree(path.parent, tmp_path / "study")
    keep(path.parent, tmp_path / "study")
    assert files(tmp_path / "study") == files(path.parent)


@pytest.mark.parametrize("folder", sorted((ROOT / "studies").glob("*/")), ids=str)
def test_a_study_is_small(folder):
    found = files(folder)
    sums = {name: found.pop(name) for name in [*found] if {"sums", "shots"} & {*Path(name).parts}}
    assert sum(map(len, found.values())) < 200_000
    to_read = [content for name, content in found.items() if not name.endswith(".svg")]
    assert sum(content.count(b"\n") for content in to_read) < 2_500
    assert sum(map(len, sums.values())) < 400_000  # a row for each person and seed


def test_a_test_is_found_in_either_direction():
    one, other = (study().test(a, b, "nats_per_token") for a, b in PAIRS)
    assert turned(one) == other
    assert (one.verdict, other.verdict) == ("worse", "better")
    assert one.difference.value > 0 > other.difference.value
    with pytest.raises(DataError, match="no test of in_place and reinit by f1"):
        study().test("in_place", "reinit", "f1")


PAIRS = (("extra_place", "adapters"), ("adapters", "extra_place"))


def test_a_quoted_test_says_whether_it_covers_seeds():
    quoted = Quote(study()).test("in_place", "transfer")
    assert quoted.sentence == "0.047 [0.027, 0.066], p = 0.002: worse"
    assert quoted.seeds.sentence == "0.047 [0.018, 0.075], p = 0.183: not distinguishable"
    one_seed = Quote(study("real_cpu")).test("in_place", "transfer")
    with pytest.raises(ValueError, match="not tested over seeds"):
        _ = one_seed.seeds


def test_a_size_has_no_sign_and_its_ends_stay_in_order():
    quoted = Quote(study()).test("in_place_support", "transfer")
    assert quoted.difference == "-0.035 [-0.052, -0.019]"
    assert quoted.size == "0.035 [0.019, 0.052]"


def test_the_paper_is_beside_real_data_alone():
    assert "| paper |" in tables.levels(study())
    assert "paper" not in tables.levels(study("no_persona_text"))


def test_tests_by_other_metrics_are_shown_where_they_tell_a_pair_apart():
    shown = tables.claims(study().asked()).splitlines()
    assert any("`in_place_support` – `transfer` | Hits@1" in line for line in shown)
    assert not any("`in_place` – `transfer` | Hits@1" in line for line in shown)


def test_how_to_run_again_asks_for_the_data_that_are_not_here():
    said = pages.again(study())
    assert "cp studies/real_cpu_seeds/params.yaml params.yaml\ndvc repro" in said
    assert "give your data for `PATH`" in said


def test_a_template_that_asks_for_what_is_not_there_is_named(tmp_path):
    (tmp_path / artifacts.STUDIES).mkdir()
    path = tmp_path / pages.TEMPLATE
    path.write_text("{{ study('embedded').score('nobody') }}")
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")
    with pytest.raises(DataError, match="study embedded has no variant nobody"):
        pages.results(tmp_path)
    path.write_text("{{ nothing }}")
    with pytest.raises(DataError, match=r"results\.md\.j2: UndefinedError: 'nothing'"):
        pages.results(tmp_path)


def test_a_study_without_words_says_what_is_missing(run):
    keep(run, run / "studies/mine")
    with pytest.raises(DataError, match=r"about\.md: not found; say there what was asked"):
        pages.readme(run, "mine")


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.study", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        text=True,
        capture_output=True,
        check=False,
    )


def test_the_commands_keep_a_run_and_write_its_readme(run):
    done = command(run, "keep", "mine")
    assert (done.returncode, done.stderr) == (0, "")
    artifacts.write_text(run / "studies/mine/about.md", "# Mine\n\n{{ this.score('in_place') }}\n")
    done = command(run, "readme")
    assert (done.returncode, done.stderr) == (0, "")
    said = (run / "studies/mine/README.md").read_text()
    assert said.startswith(f"# Mine\n\n{Quote(study_of(ROOT, 'embedded')).score('in_place')}")
    for heading in ("Table 1", "Adaptation", "Questions", "Perplexity by K (Fig. 3)"):
        assert f"## {heading}" in said
    done = command(run, "keep")
    assert done.returncode == 1
    assert "keep: give the study's name" in done.stderr

"""What a study keeps of a run is the run's own: no link out of it, and tables that are tables."""

import shutil
from contextlib import chdir

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.kept.documents import pages
from pipeline.evaluation.kept.keep import keep
from pipeline.evaluation.kept.study import Study
from pipeline.evaluation.report.paired_tests import cells
from pipeline.params import read_yaml
from pipeline.params.edit import with_values
from stages.studies.study import Action, study
from tests.support.one_run import say_one_run
from tests.support.sealed import edit_sealed
from tests.support.toy_project import write_params
from tests.wiring.closure import ROOT


SUMS = "persona,seed,replies\np1,0,12\n"


@pytest.fixture
def run(tmp_path):
    """A finished run that has every kind of file."""
    run = tmp_path / "run"
    shutil.copytree(ROOT / "metrics", run / "metrics")
    shutil.copy(ROOT / "presets/embedded.yaml", run / "params.yaml")
    artifacts.write_text(run / "sums/transfer.csv", SUMS)
    for name in ("runs.json", "support/transfer.json", "data/tasks/summary.json"):
        artifacts.write_json(run / name, {"runs": []})
    artifacts.write_text(run / "history/transfer-seed-0.csv", "step,loss,valid_loss\n0,,2.5\n")
    artifacts.write_json(run / "history/transfer-seed-0.json", {})
    (tmp_path / "secret").write_text('{"password": "my secret"}')
    say_one_run(run)
    return run


FILES = (
    "params.yaml",
    "runs.json",
    "sums/transfer.csv",
    "support/transfer.json",
    "history/transfer-seed-0.csv",
    "history/transfer-seed-0.json",
    str(artifacts.FLOORS),
    str(artifacts.TASKS_SUMMARY),
    str(artifacts.COMPARISON),
    str(artifacts.details_file("transfer")),
    str(artifacts.kshot_file("transfer")),
)


@pytest.mark.parametrize("name", FILES)
def test_a_link_out_of_a_run_is_not_followed(run, name):
    if name == "runs.json":  # kept where no training run is there
        shutil.rmtree(run / "history")
    keep(run, run.parent / "whole")
    path = run / name
    path.rename(run.parent / "secret")
    path.symlink_to(run.parent / "secret")
    with pytest.raises(DataError, match=rf"{name}: a link out of .*run, whose files alone"):
        keep(run, run.parent / "study")
    assert not (run.parent / "study").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user,password\nann,secret\n", "no column 'seed', found 'user, password'"),
        ("persona,seed,replies\np1,0,secret\n", "replies 'secret' found, a number was expected"),
        ("persona,seed,replies\n,0,1\n", "persona '' found, a name was expected"),
    ],
)
def test_sums_that_are_none_are_not_kept(run, text, said):
    (run / "sums/transfer.csv").write_text(text)
    with pytest.raises(DataError, match=rf"sums/transfer\.csv:\d: {said}; run `python -m"):
        keep(run, run.parent / "study")
    (run / "sums/transfer.csv").write_text(SUMS)
    keep(run, run.parent / "study")
    assert (run.parent / "study/sums/transfer.csv").read_text() == SUMS


def test_support_of_a_model_that_was_trained_again_is_not_kept(run):
    made_from = {"variant": "transfer", "params": {}, "tasks": None}
    made_from |= {"base": "b" * 64, "models": {"0": "c" * 64}}
    artifacts.write_json(run / "support/transfer.json", {"seeds": [0], "made_from": made_from})
    keep(run, run.parent / "study")  # the run has no models
    artifacts.write_text(run / artifacts.model_dir("transfer", 0) / "theta", "trained again")
    with pytest.raises(DataError, match=r"support/transfer\.json: belongs to a models/transfer/se"):
        keep(run, run.parent / "study")


def test_support_of_other_parameters_is_not_kept(run):
    made_from = {"variant": "transfer", "params": {"finetune": {"lr": 0.75}}, "tasks": None}
    made_from |= {"base": "b" * 64, "models": {}}
    artifacts.write_json(run / "support/transfer.json", {"seeds": [0], "made_from": made_from})
    with pytest.raises(DataError, match=r"support/transfer\.json: made with finetune\.lr 0\.75, "):
        keep(run, run.parent / "study")


def test_support_of_a_model_that_is_gone_is_of_the_parameters_that_made_it(run):
    lr = read_yaml(run / "params.yaml")["inner_lr"]
    made_from = {"variant": "in_place", "params": {}, "tasks": None, "base": "b" * 64}
    made_from |= {"models": {"0": "c" * 64}, "made_with": {"inner_lr": lr}}
    artifacts.write_sealed(run / "support/in_place.json", {"seeds": [0], "made_from": made_from})
    keep(run, run.parent / "study")
    keep(run.parent / "study", run.parent / "slimmed-again")
    made_from["made_with"]["inner_lr"] = 0.75
    artifacts.write_sealed(run / "support/in_place.json", {"seeds": [0], "made_from": made_from})
    with pytest.raises(DataError, match=r"support/in_place\.json: made with inner_lr 0\.75, but "):
        keep(run, run.parent / "study")


def test_rows_that_are_no_longer_scored_are_neither_asked_nor_kept(run):
    """DVC leaves the outs of stages that are no more, as of a fresh clone with rows of its own."""
    text = (run / "params.yaml").read_text()
    scored = read_yaml(run / "params.yaml")["scored"]
    (run / "params.yaml").write_text(
        with_values(text, [f"scored=[{', '.join(name for name in scored if name != 'adapters')}]"])
    )
    artifacts.write_json(run / artifacts.details_file("adapters"), {"headline": {}, "old": True})
    (run / artifacts.COMPARISON).unlink()  # of all rows
    keep(run, run.parent / "study")
    kept = {path.stem for path in (run.parent / "study/metrics").iterdir()}
    assert kept == {*scored} - {"adapters"}


@pytest.mark.parametrize(
    "asked",
    [
        "this.read('secret.json', 'k')",
        "this.read('../../secret/x.json', 'k')",
        "this.read('{place}/secret/x.json', 'k')",
        "this.curve('../../../secret/h', 'loss')",
        "study('../secret').read('x.json', 'k')",
        "study('{place}/secret').read('x.json', 'k')",
    ],
)
def test_a_page_shows_nothing_from_outside_its_study(asked, tmp_path):
    artifacts.write_json(tmp_path / "secret/x.json", {"k": 42.5})
    artifacts.write_text(tmp_path / "secret/h.csv", "step,loss\n0,42.5\n")
    folder = tmp_path / "studies/mine"
    artifacts.write_text(
        folder / "about.md", "# t\n{{ " + asked.replace("{place}", str(tmp_path)) + " }}"
    )
    (folder / "secret.json").symlink_to(tmp_path / "secret/x.json")
    with pytest.raises(DataError) as caught:
        pages.readme(tmp_path, "mine")
    assert "42.5" not in str(caught.value)


@pytest.mark.parametrize("name", ["runs/a/changes.json", "tuning/transfer.csv"])
def test_a_page_follows_no_link_among_what_was_kept(name, tmp_path):
    artifacts.write_json(tmp_path / "secret", {"k": 42.5})
    folder = tmp_path / "studies/mine"
    artifacts.write_text(folder / "about.md", "# t\n")
    (folder / name).parent.mkdir(parents=True)
    (folder / name).symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match=rf"{name}: a link out of "):
        pages.readme(tmp_path, "mine")


def test_a_page_cites_the_embedded_run_only_where_there_is_one(run):
    folder = run / "studies/mine"
    artifacts.write_text(folder / "about.md", "# t\n\n{{ study('embedded').score('in_place') }}\n")
    artifacts.write_text(run / "studies/other/about.md", "# Other\n")
    (run / "presets").mkdir()
    shutil.copy(ROOT / "presets/embedded.yaml", run / "presets")
    assert pages.readme(run, "mine").startswith("# t\n\n4.")
    text = (run / "params.yaml").read_text()
    artifacts.write_text(run / "params.yaml", with_values(text, ["tune.trials=7"]))
    with pytest.raises(DataError, match=r"params\.yaml: tune\.trials is 7, \d+ in preset"):
        pages.readme(run, "mine")
    with chdir(run), pytest.raises(DataError, match=r"^not written: mine; the others are$"):
        study(Action.README)
    assert (run / "studies/other/README.md").is_file()
    assert not (folder / "README.md").exists()
    artifacts.write_text(run / "params.yaml", with_values(text, ["outer_lr=0.5"]))
    with pytest.raises(DataError, match=r"params\.yaml: outer_lr is 0\.5, "):
        pages.readme(run, "mine")


KEPT_OF_MODELS = ("sums/transfer.csv", "support/transfer.json", "history/transfer-seed-0.csv")


@pytest.mark.parametrize("gone", [*KEPT_OF_MODELS, "runs.json", str(artifacts.FLOORS)])
def test_what_was_kept_before_is_not_dropped_for_a_run_that_has_it_no_longer(run, gone):
    """Git has a run's metrics, and neither its predictions nor its models."""
    (run / "history/transfer-seed-0.json").unlink()  # so that runs.json is copied
    folder = run.parent / "study"
    keep(run, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (run / gone).unlink()
    name = "floors.json" if gone == str(artifacts.FLOORS) else gone
    with pytest.raises(DataError, match=rf"study/{name}: kept before, but .*\(1 such files\)"):
        keep(run, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    (folder / name).unlink()
    keep(run, folder)
    assert not (folder / name).exists()


def test_a_row_or_a_seed_that_the_run_has_no_longer_goes_with_all_that_is_its_own(run):
    folder = run.parent / "study"
    artifacts.write_text(run / "history/transfer-seed-7.csv", "step,loss,valid_loss\n0,,2.5\n")
    keep(run, folder)
    (folder / "history/gone-seed-0.csv").write_bytes(
        (folder / "history/transfer-seed-0.csv").read_bytes()
    )
    (folder / "sums/gone.csv").write_text(SUMS)
    (folder / "metrics/gone.json").write_bytes((folder / "metrics/transfer.json").read_bytes())
    (run / "history/transfer-seed-7.csv").unlink()
    keep(run, folder)
    assert not [*folder.rglob("*gone*"), *folder.rglob("*seed-7*")]


def test_claims_of_a_study_that_are_none_are_named(run):
    folder = run.parent / "study"
    keep(run, folder)
    values = read_yaml(folder / "params.yaml")
    del values["compare"]["claims"][0]["b"]
    write_params(folder, values)
    with pytest.raises(DataError, match=r"study/params\.yaml: 'b': not as"):
        Study("study", folder).asked()


def test_a_test_by_a_metric_that_is_none_is_named(run):
    keep(run, run.parent / "study")
    test = Study("study", run.parent / "study").asked()[0].model_copy(update={"metric": "mine"})
    with pytest.raises(DataError, match=f"the test of {test.a} and {test.b} is by mine, which is"):
        cells(test)


@pytest.mark.parametrize("change", ["more", "fewer"])
def test_tests_of_other_rows_are_not_kept(change, run):
    """Holm's correction is over the tests of all rows."""

    def other(content):
        names = content["variants"]
        return content | {"variants": [*names, "mine"] if change == "more" else names[1:]}

    edit_sealed(run / artifacts.COMPARISON, other)
    with pytest.raises(DataError, match=r"comparison\.json: compares with.*run `python"):
        keep(run, run.parent / "study")
    assert not (run.parent / "study").exists()

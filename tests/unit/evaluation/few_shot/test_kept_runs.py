"""Rows of one study are of the same replies, and each run keeps its own parameters."""

import json

import pytest
from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError, PipelineError
from pipeline.evaluation.few_shot.same_replies import refuse_other_replies, replies_sha256
from pipeline.evaluation.few_shot.shots import ShotSums
from pipeline.evaluation.kept.documents import curve, shot_tables, tables
from pipeline.evaluation.kept.study import Study
from pipeline.evaluation.records.complete import Completeness
from pipeline.evaluation.schemas.base import parse, read
from pipeline.params import read_yaml
from stages.few_shot.conflict import conflict
from stages.few_shot.kept_params import run_params
from stages.few_shot.kept_runs import keep, kept
from stages.few_shot.shot_tests import shot_tests_command
from tests.support.prediction_builder import full
from tests.unit.evaluation.studies.test_conflict import setting
from tests.wiring.closure import ROOT


ROWS = {"transfer": setting(0.1)["transfer"], "in_place": setting(0.1)["in_place"]}
BY_K = "k,optimizer,lr,epochs,valid_nats,chosen\n1,sgd,0.1,1,2.5,true\n"


def params(**changes):
    values = read_yaml(ROOT / "params.yaml")
    for key, value in changes.items():
        section, name = key.split("__")
        values[section][name] = value
    return values


def write_run(folder, rows, values=None):
    (folder / "shots").mkdir(parents=True, exist_ok=True)
    YAML().dump(values or params(), folder / "params.yaml")
    for name, row in rows.items():
        artifacts.write_sealed(folder / f"shots/{name}.json", row.content())
    return folder


def with_tokens(row, person, tokens):
    values = json.loads(json.dumps(row.content()))
    for cells in values["tuned"].values():
        for sums in cells[person]:
            sums[1] = tokens
    return parse(ShotSums, values, "shots")


def test_rows_with_other_tokens_of_a_person_are_not_compared(tmp_path):
    other = with_tokens(ROWS["in_place"], 3, 99.0)
    run = write_run(tmp_path / "run", ROWS | {"in_place": other})
    with pytest.raises(DataError) as caught:
        shot_tests_command([run], study=tmp_path / "study")
    assert str(caught.value) == (
        f"{tmp_path}/study: transfer and in_place: scored on different replies (K = 0 by gradient "
        "and K = 0 by gradient: p03, seed 0, has 100 and 99 tokens); run "
        "`python -m stages.shots in_place` again on the tasks of the others"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"replies": "b" * 64}, "their digests are aaaaaaaaaaaa… and bbbbbbbbbbbb…"),
        ({"seeds": [0, 1, 5]}, r"training seeds \[0, 1, 2\] and \[0, 1, 5\]"),
        ({"personas": [f"q{n}" for n in range(12)]}, "12 and 12 people, or other ones"),
    ],
)
def test_rows_of_other_replies_people_or_seeds(change, said):
    one = ROWS["transfer"].model_copy(update={"replies": "a" * 64})
    rows = {"transfer": one, "in_place": ROWS["in_place"].model_copy(update=change)}
    with pytest.raises(DataError, match=said):
        refuse_other_replies(rows, "study")
    refuse_other_replies({"transfer": one, "in_place": ROWS["in_place"]}, "study")  # none is known


def test_a_row_that_was_scored_on_fewer_replies_at_one_k():
    values = json.loads(json.dumps(ROWS["transfer"].content()))
    values["tuned"]["5"][0][0][1] = 90.0
    rows = {"transfer": parse(ShotSums, values, "x")}
    with pytest.raises(DataError, match=r"study: transfer: scored on .* K = 5 .* 100 and 90 tok"):
        refuse_other_replies(rows, "study")


def test_the_digest_is_of_the_replies_alone():
    records = [full(turn=turn, nll=1.0) for turn in (0, 1)]
    again = [full(turn=turn, nll=2.0, k=1) for turn in (1, 0, 1)]
    assert replies_sha256(records) == replies_sha256(again)
    assert replies_sha256(records) != replies_sha256(records[:1])
    assert replies_sha256(records) != replies_sha256([*records[:1], full(turn=1, reference="x")])


@pytest.mark.parametrize("study", ["smollm2", "conflict"])
def test_committed_rows_are_of_the_same_replies(study):
    params, folders = kept(ROOT / "studies" / study)
    for folder in folders:
        files = {name: folder / f"shots/{name}.json" for name in params.scored}
        rows = {n: read(p, ShotSums, made_by="shots") for n, p in files.items() if p.is_file()}
        assert rows
        refuse_other_replies(rows, folder)


def test_sums_of_another_shape(tmp_path):
    run = write_run(tmp_path / "run", ROWS)
    path = run / "shots/transfer.json"
    values = artifacts.read_json(path, made_by="shots")
    values["tuned"]["1"].pop()
    artifacts.write_json(path, values)
    with pytest.raises(DataError, match=r"transfer.json: .*gradient, K = 1: nats and tokens of 12"):
        shot_tests_command([run], study=tmp_path / "study")


def test_an_edited_row_of_a_study_is_noticed(tmp_path):
    study = tmp_path / "study"
    shot_tests_command([write_run(tmp_path / "run", ROWS)], study=study)
    path = study / "runs/run/shots/in_place.json"
    path.write_text(path.read_text().replace("[[", "[[1", 1))
    with pytest.raises(DataError, match=r"in_place.json: edited or damaged"):
        shot_tests_command([], study=study)


def test_each_run_keeps_its_own_parameters(tmp_path):
    study = tmp_path / "study"
    grid = {"sgd": [0.5], "adam": [0.25]}
    first = params(finetune__lr=0.25)
    second = params(tune__finetune=grid, data__source="/here/is/my/data.txt")
    second["variants"]["in_place"] = {"init": "pretrained", "set": {"train.lr": 0.5}}
    second["finetune"]["by_k"] = {
        "transfer": [{"k": 1, "optimizer": "sgd", "lr": 0.5, "epochs": 1}]
    }
    keep(write_run(tmp_path / "a", ROWS, first), study, "a")
    keep(write_run(tmp_path / "b", {}, second), study, "b")
    expected = json.loads(json.dumps(second))
    expected["data"]["source"] = "PATH"
    assert run_params(study, "a") == first
    assert run_params(study, "b") == read_yaml(study / "params.yaml") == expected
    changes = artifacts.read_json(study / "runs/a/changes.json", made_by="shots")
    assert changes["finetune.lr"] == 0.25
    assert changes["finetune.by_k"] == {}
    assert "/here" not in "".join(p.read_text() for p in study.rglob("*") if p.is_file())
    keep(tmp_path / "a", study, "a")
    assert run_params(study, "b") == expected
    assert read_yaml(study / "params.yaml") == first
    shown = tables.runs(Study("study", study))
    assert "`b`" in shown
    assert "`tune.finetune.sgd` [0.5]" in shown


@pytest.mark.parametrize("lost", ["shots/in_place.json", "tuning/in_place_by_k.csv"])
def test_what_was_kept_before_and_the_run_lacks_is_neither_mixed_in_nor_lost(lost, tmp_path):
    """It may be of other parameters than the run has now."""
    study, run = tmp_path / "study", write_run(tmp_path / "a", ROWS)
    artifacts.write_text(run / "tuning/in_place_by_k.csv", BY_K)
    keep(run, study, "a")
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    own = (run / lost).rename(tmp_path / "aside")
    YAML().dump(params(finetune__lr=0.75), run / "params.yaml")
    with pytest.raises(
        DataError, match=rf"runs/a/{lost}: kept before, but .*/a has no {lost} of its own \(1 "
    ):
        keep(run, study, "a")
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before
    own.rename(run / lost)
    keep(run, study, "a")
    assert run_params(study, "a")["finetune"]["lr"] == 0.75


def test_controls_that_were_kept_before_and_the_run_lacks_are_not_lost(tmp_path):
    """`shots` without an option writes the file anew, without what was added to it."""
    study, plain = tmp_path / "study", ROWS["in_place"]
    run = write_run(
        tmp_path / "a", {"in_place": plain.model_copy(update={"stranger": plain.tuned})}
    )
    keep(run, study, "a")
    write_run(run, {"in_place": plain})
    with pytest.raises(
        DataError,
        match=r"with sums by stranger, K = 0 \(. such\), which .*/in_place.json lacks",
    ):
        keep(run, study, "a")
    kept_file = study / "runs/a/shots/in_place.json"
    assert read(kept_file, ShotSums, made_by="shots").stranger == plain.tuned
    kept_file.write_text("{")
    keep(run, study, "a")
    assert read(kept_file, ShotSums, made_by="shots") == plain


def test_two_rows_of_one_name_are_no_one_row(tmp_path):
    study = tmp_path / "study"
    one = write_run(tmp_path / "a", ROWS)
    two = write_run(tmp_path / "b", {"in_place": setting(0.7)["in_place"]})
    with pytest.raises(
        DataError, match=r"/a/shots/in_place\.json and .*/b/shots/in_place\.json: two"
    ):
        shot_tests_command([one, two], study=study)
    assert not study.exists()
    shot_tests_command([one], study=study)
    with pytest.raises(DataError, match="two rows of one name; give these runs studies of their"):
        shot_tests_command([two], study=study)
    write_run(two, {"in_place": ROWS["in_place"]})  # the same sums: one row
    shot_tests_command([two], study=study)
    assert sorted(path.name for path in (study / "runs").iterdir()) == ["a", "b"]


@pytest.mark.parametrize("command", ["shot_tests", "conflict"])
def test_a_result_of_runs_that_were_kept_before_is_not_shown(command, tmp_path):
    """A kill between the runs and the result leaves the old one."""
    study, run = tmp_path / "study", write_run(tmp_path / "a", ROWS)
    make, shown = {
        "shot_tests": (shot_tests_command, shot_tables.tests_of),
        "conflict": (conflict, curve.of),
    }[command]
    make([run], study=study)
    assert shown(Study("study", study)) is not None
    kept_run = next((study / "runs").iterdir())
    row = write_run(tmp_path / "b", {"in_place": setting(0.7)["in_place"]})
    (row / "shots/in_place.json").replace(kept_run / "shots/in_place.json")
    match = rf"made from another runs/.*/in_place.json than is kept now; run .*{command} --study"
    with pytest.raises(DataError, match=match):
        shown(Study("study", study))
    make([], study=study)
    assert shown(Study("study", study)) is not None


@pytest.mark.parametrize("name", ["notes", "nan", "7"])
def test_a_folder_of_another_name_is_said(tmp_path, name):
    study = tmp_path / "study"
    keep(write_run(tmp_path / "a", ROWS), study, name)
    with pytest.raises(DataError, match=f"runs/{name}: a folder named after its setting"):
        conflict([], study=study)


@pytest.mark.parametrize("by_k", [[], "x", {"transfer": [1]}, {"transfer": None}])
def test_parameters_of_predictions_that_are_none(by_k):
    values = {"seeds": [0], "finetune": {"epochs": [0], "k": [0], "by_k": by_k}}
    with pytest.raises(PipelineError, match=r"x.jsonl: its identity's params are not as finetune"):
        Completeness(values, "x.jsonl", "run it again")


def test_of_two_runs_of_one_setting_neither_is_kept_in_the_others_place(tmp_path):
    runs = [write_run(tmp_path / name, ROWS) for name in ("a", "b")]
    with pytest.raises(ParamsError, match=r"/a and .*/b: both would be kept as .*/runs/\d"):
        conflict(runs, study=tmp_path / "study")
    assert not (tmp_path / "study").exists()

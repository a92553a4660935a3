"""Sums, replies and support of one model are not taken for another's."""

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError
from pipeline.evaluation.few_shot.rates import RateTrial, chosen, rates_csv
from pipeline.evaluation.few_shot.same_replies import refuse_other_replies
from pipeline.evaluation.few_shot.shots import ShotSums, shots_file
from pipeline.evaluation.report.samples.few_shot import few_shot_replies
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom, refuse_other_adaptation
from pipeline.evaluation.schemas.base import read
from stages.few_shot.kshot_records import KshotRecords
from stages.few_shot.rates import rates
from stages.few_shot.shot_tests import shot_tests_command
from stages.few_shot.shots import Strangers, shots
from tests.support.prediction_builder import a_prediction
from tests.support.toy_project import run_stage, write_params, write_tasks
from tests.unit.evaluation.few_shot.test_kept_runs import ROWS, write_run
from tests.unit.evaluation.few_shot.test_rates_and_shots import folder, params


__all__ = ["folder"]  # the fixture
MODEL = artifacts.model_dir("transfer", 0)
FILE = shots_file("transfer")
FILE_OF_TESTS = "shot_tests.json"
FINETUNE = {"lr": 0.1, "k": [0, 1], "cache": [0.0, 0.1], "by_k": {}}


def made_from(**changes):
    found = {
        "variant": "transfer",
        "params": {"seeds": [0], "finetune": FINETUNE, "generate": {"seed": 0}},
        "base": "b" * 64,
        "models": {0: "c" * 64},
        "tasks": "d" * 64,
    }
    return AdaptedFrom(**found | changes)


def with_finetune(**changes):
    return made_from(params={"seeds": [0], "finetune": FINETUNE | changes})


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (made_from(models={0: "e" * 64}), f"belongs to a {MODEL} of SHA-256 cccccccccccc…, now it"),
        (
            made_from(params={"seeds": [1], "finetune": FINETUNE}),
            "made with seeds [0], now it is",
        ),
        (made_from(base="e" * 64), "belongs to a models/base of SHA-256 bbbbbbbbbbbb…, now it"),
        (made_from(tasks="e" * 64), "belongs to a data/tasks of SHA-256 dddddddddddd…, now it"),
        (with_finetune(lr=0.2), "made with finetune.lr 0.1, now it is 0.2"),
        (with_finetune(k=[0, 3]), "made with finetune.k [0, 1], now it is [0, 3]"),
    ],
)
def test_what_differs_is_named_with_the_command(now, said):
    with pytest.raises(DataError) as caught:
        refuse_other_adaptation(FILE, "shots transfer", made_from(), now)
    assert str(caught.value).startswith(f"{FILE}: {said}")
    assert "; run `python -m stages.shots transfer`" in str(caught.value)
    assert "dvc repro" not in str(caught.value)  # it does not run this


def test_what_else_is_scored_and_said_may_differ():
    told = made_from().params
    for now in (with_finetune(cache=[]), made_from(params=told | {"generate": {"seed": 1}})):
        refuse_other_adaptation(FILE, "shots transfer", made_from(), now)
    with pytest.raises(DataError, match="does not say which model made it"):
        refuse_other_adaptation(FILE, "shots transfer", None, made_from())


def test_a_rows_sums_under_another_name_are_refused(tmp_path):
    mine = ROWS["transfer"].model_copy(update={"made_from": made_from()})
    run = write_run(tmp_path / "run", {"transfer": mine, "in_place": mine})
    with pytest.raises(DataError, match=r"in_place.json: of variant 'transfer', not of 'in_place'"):
        shot_tests_command([run], study=tmp_path / "study")


def test_what_is_no_study_is_not_written_into(tmp_path):
    run = write_run(tmp_path / "run", ROWS)
    with pytest.raises(ParamsError, match="the run itself; name a folder of its own"):
        shot_tests_command([run], study=run)
    mine = tmp_path / "mine"
    for name in ("params.yaml", FILE_OF_TESTS):
        artifacts.write_text(mine / name, "mine: 1\n")
        with pytest.raises(ParamsError, match="mine"):
            shot_tests_command([run], study=mine)
        assert [path.name for path in mine.iterdir()] == [name]
        (mine / name).unlink()


def test_rows_of_other_bases_are_not_compared():
    rows = {
        name: row.model_copy(update={"made_from": made_from(variant=name, base=digest * 64)})
        for (name, row), digest in zip(ROWS.items(), "be", strict=True)
    }
    with pytest.raises(DataError, match=r"of two bases, of SHA-256 b{12}… and e{12}…; give"):
        refuse_other_replies(rows, "study")


@pytest.mark.parametrize("part", ["shots", "replies", "tuning"])
def test_a_run_whose_model_was_trained_again_is_not_kept(part, tmp_path):
    run = write_run(tmp_path / "run", ROWS)
    artifacts.write_text(run / MODEL / "theta.safetensors", "trained again")
    if part == "shots":
        row = ROWS["transfer"].model_copy(update={"made_from": made_from()})
        artifacts.write_sealed(run / FILE, row.content())
    elif part == "tuning":
        trials = [RateTrial(k=1, optimizer="sgd", lr=0.1, epochs=1, nats=2.0)]
        text = rates_csv(trials, chosen(trials), seed=0, made_from={"model": "c" * 64})
        artifacts.write_text(run / "tuning/transfer_by_k.csv", text)
    else:
        records = [a_prediction(protocol="k_shot", k=k, epoch=k, greedy="hi") for k in (0, 3)]
        said = few_shot_replies(records, made_from())
        artifacts.write_sealed(run / "replies/transfer.json", said.content())
    file = "transfer_by_k.csv" if part == "tuning" else "transfer.json"
    where = rf"{part}/{file}: belongs to a {MODEL} of SHA-256 c+…, now it is"
    with pytest.raises(DataError, match=where):
        shot_tests_command([run], study=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_two_runs_of_one_name_are_refused(tmp_path):
    runs = [write_run(tmp_path / place / "run", ROWS) for place in "ab"]
    with pytest.raises(ParamsError, match=r"a/run and .*b/run: both would be kept as .*/runs/run"):
        shot_tests_command(runs, study=tmp_path / "study")
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_a_control_of_another_model_is_not_added(folder, capsys):
    write_tasks(folder, "test", 2)
    shots("transfer")
    found = read(FILE, ShotSums, made_by="shots")
    content = found.content()
    del content["made_from"]["made_with"]  # an older file
    artifacts.write_sealed(FILE, content)
    shots("transfer", strangers=Strangers.PROMPT)
    assert read(FILE, ShotSums, made_by="shots").made_from == found.made_from
    before = FILE.read_bytes()
    changed = params()
    changed["train"]["lr"] = 1e-6
    write_params(folder, changed)
    assert run_stage(folder, "train", "transfer", "0") == 0
    for how in Strangers:
        with pytest.raises(DataError, match=f"^{FILE}: belongs to a {MODEL} of SHA-256"):
            shots("transfer", strangers=how)
    assert FILE.read_bytes() == before
    shots("transfer")
    again = "add it by `python -m stages.shots transfer --strangers prompt`"
    assert again in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_that_is_replaced_between_two_rates_is_refused(folder, monkeypatch):
    write_tasks(folder, "test", 2)
    whole = KshotRecords.of

    def then_trained_again(*asked):
        records = whole(*asked)
        changed = params()
        changed["train"]["lr"] = 1e-6
        write_params(folder, changed)
        assert run_stage(folder, "train", "transfer", "0") == 0
        monkeypatch.setattr(KshotRecords, "of", whole)
        return records

    monkeypatch.setattr(KshotRecords, "of", then_trained_again)
    with pytest.raises(DataError, match=f"^{MODEL}: replaced while it was read"):
        rates("transfer")
    assert not artifacts.tuning_file("transfer_by_k").exists()

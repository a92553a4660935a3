"""Tables of numbers that a disk or an editor has damaged: one line, with file and line."""

import shutil

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, PipelineError
from pipeline.evaluation.kept.documents import tables
from pipeline.evaluation.kept.keep import keep
from pipeline.evaluation.kept.study import Study
from pipeline.evaluation.schemas.number_table import (
    HISTORY,
    KSHOT,
    RATES,
    TRIALS,
    read_rows,
    read_text,
    rows_of,
)
from stages.report import report
from tests.support.whole_run import project
from tests.wiring.closure import ROOT


__all__ = ["project"]

COMMITTED = [
    (ROOT / "metrics/kshot/in_place.csv", KSHOT),
    (ROOT / "studies/real_cpu/history/transfer-seed-0.csv", HISTORY),
    (ROOT / "studies/real_cpu_search/tuning/transfer.csv", TRIALS),
    (ROOT / "studies/conflict/runs/0.0/tuning/transfer_by_k.csv", RATES),
]


def read(text, kind):
    return rows_of(text, kind, "x.csv", remedy="run it again")


@pytest.mark.parametrize(("path", "kind"), COMMITTED)
def test_committed_tables_are_read_as_they_are(path, kind):
    text = read_text(path, kind, remedy="run it")
    assert text == path.read_text()
    assert len(read_rows(path, kind, remedy="run it")) == text.count("\n") - 1


def test_every_committed_table_is_whole():
    for pattern, kind in {
        "metrics/kshot/*.csv": KSHOT,
        "studies/*/kshot/*.csv": KSHOT,
        "studies/*/history/*.csv": HISTORY,
        "studies/**/tuning/*.csv": None,
    }.items():
        for path in ROOT.glob(pattern):
            own = kind or (RATES if path.stem.endswith("_by_k") else TRIALS)
            assert read_rows(path, own, remedy="run it"), path


@pytest.mark.parametrize(("path", "kind"), COMMITTED)
def test_a_flipped_bit_or_a_cut_is_a_line_or_another_number(path, kind, tmp_path):
    """No byte makes a reader trip: what is let through can be reckoned with."""
    whole, file = path.read_bytes(), tmp_path / "x.csv"
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            file.write_bytes(flipped)
            try:
                rows = read_rows(file, kind, remedy="run it")
            except DataError as error:
                line = str(error)
                assert line.startswith(f"{file}:")
                assert line.endswith("; run it")
                assert "\n" not in line
            else:
                for row in rows:
                    assert all(float(row[name]) >= 0 for name in kind.filled)
        file.write_bytes(whole[:place])
        if not whole[:place].endswith(b"\n"):
            with pytest.raises(DataError, match=r"x\.csv"):
                read_rows(file, kind, remedy="run it")


ENDS = ("", "_low", "_high")
POINTS = "k,personas," + ",".join(f"{m}{e}" for m in ("ppl", "hits_at_1", "f1") for e in ENDS)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0,16,6,5,7,4,2,7,9,8,x", "x.csv:2: f1_high 'x' found, a number was expected"),
        ("0,16,6,5,7,4,2,7,9,8", "x.csv:2: 10 cells found, 11 were expected"),
        ("0,16,6,5,7,4,2,7,9,8,nan", "x.csv:2: f1_high 'nan' found, a number was expected"),
        ("-1,16,6,5,7,4,2,7,9,8,10", "x.csv:2: k '-1' found, 0 or more was expected"),
        (",16,6,5,7,4,2,7,9,8,10", "x.csv:2: k '' found, a number was expected"),
        ("0,16,0.5,5,7,4,2,7,9,8,10", "x.csv:2: ppl is 0.5, 1 or more was expected"),
        ("0,16,6,5,7,104,2,7,9,8,10", "x.csv:2: hits_at_1 is 104, 0 to 100 was expected"),
        ("0,16,6,6.5,7,4,2,7,9,8,10", "x.csv:2: the interval of ppl, 6.5 to 7 does not hold the"),
    ],
)
def test_what_is_wrong_in_a_row_is_said(line, said):
    with pytest.raises(DataError) as caught:
        read(f"{POINTS}\n{line}\n", KSHOT)
    assert str(caught.value).startswith(said)
    assert str(caught.value).endswith("; run it again")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.csv:1: no column 'step', found ''"),
        ("loss\n1\n", "x.csv:1: no column 'step', found 'loss'"),
        ("step,step\n1,2\n", "x.csv:1: a column is there twice: 'step, step'"),
        ("step,loss\n1,2.5", "x.csv:2: the file ends within a line"),
        ('step,loss\n1,"2.5\n', "x.csv:2: "),
        ("step,loss\n1,two\n", "x.csv:2: loss 'two' found, a number was expected"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(text, said):
    with pytest.raises(DataError) as caught:
        read(text, HISTORY)
    assert str(caught.value).startswith(said)


def test_what_diverged_is_no_damage():
    trials = "trial,train.lr,valid_nats,epoch,chosen\n1,9.0,inf,,false\n2,0.1,3.5,1,true\n"
    assert [row["valid_nats"] for row in read(trials, TRIALS)] == ["inf", "3.5"]
    with pytest.raises(DataError, match="chosen 'tru' found, one of true, false was expected"):
        read(trials.replace("true", "tru"), TRIALS)


def test_a_trial_that_diverged_has_its_line_in_a_studys_table(tmp_path):
    cost = ",steps,replies,outer_replies,operations"
    text = f"trial,train.lr,valid_nats,epoch,chosen{cost}\n1,9.0,inf,,false,,,,\n"
    for trials in (text, text.replace(cost, "").replace(",,,,\n", "\n")):
        artifacts.write_text(tmp_path / "tuning/transfer.csv", trials)
        *_, line = tables.trials(Study("mine", tmp_path)).splitlines()
        assert line == "| `transfer` | `train.lr` 9.0 | inf | – |  | – | – | – | – |"


def history(project):
    path = artifacts.model_dir("in_place", 0) / "history.csv"
    path.write_text("step,outer_loss\n1,2.5\n2,2.4\n")
    return path


def test_a_damaged_history_is_a_line_of_the_report_and_of_a_kept_study(project):
    path = history(project)
    path.write_bytes(path.read_bytes().replace(b"2.5", b"2\xff5"))
    with pytest.raises(PipelineError, match=r"history.csv: byte 19 is not UTF-8 text; run .*meta_"):
        report()
    for path in (artifacts.DETAILS / "transfer.json", artifacts.COMPARISON):
        path.unlink()
    with pytest.raises(PipelineError, match=r"in_place.*; run "):
        keep(project, project / "studies/mine")
    assert not (project / "studies/mine").exists()


def test_damaged_points_are_a_line_of_the_report(project):
    path = artifacts.kshot_file("in_place")
    path.write_bytes(path.read_bytes() + b"\xff")
    with pytest.raises(PipelineError, match=r"kshot/in_place.csv: byte .* run .*score in_place`"):
        report()


@pytest.mark.parametrize("file", ["history/transfer-seed-0.csv", "kshot/transfer.csv"])
def test_a_damaged_file_of_a_study(tmp_path, file):
    folder = tmp_path / "mine"
    shutil.copytree(ROOT / "studies/real_cpu", folder)
    text = (folder / file).read_text()
    (folder / file).write_text(text[: len(text) * 2 // 3])
    study = Study("mine", folder)
    with pytest.raises(DataError, match=rf"{file}:\d+: .*; run `python -m stages.study keep NAME"):
        study.history("transfer-seed-0") if "history" in file else study.kshot


@pytest.mark.parametrize(
    ("file", "key", "part"),
    [
        ("metrics/transfer.json", '"counts"', "details"),
        ("metrics/transfer.json", '"value"', "details"),
        ("runs.json", '"axes"', "runs"),
        ("runs.json", '"runs"', "runs"),
        ("comparison.json", '"tests"', "comparison"),
        ("comparison.json", '"alpha"', "comparison"),
    ],
)
def test_a_key_that_is_lost_in_a_file_of_a_study(tmp_path, file, key, part):
    folder = tmp_path / "mine"
    shutil.copytree(ROOT / "studies/real_cpu", folder)
    path = folder / file
    path.write_text(path.read_text().replace(key, '"lost"'))
    with pytest.raises(DataError, match=rf"{file}: .*not as its stage writes it; run "):
        getattr(Study("mine", folder), part)

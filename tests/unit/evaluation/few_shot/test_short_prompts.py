"""Prompts into which fewer than K dialogues fit: counted, shown, left out where nothing is new."""

import json

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.few_shot.short_prompts import short_prompts
from pipeline.evaluation.few_shot.shots import ShotSums, shot_sums, stranger_sums
from pipeline.evaluation.kept.documents import curve, shot_tables
from pipeline.evaluation.kept.study import Study
from pipeline.evaluation.schemas.base import read
from stages.few_shot.conflict import conflict
from stages.few_shot.shot_tests import shot_tests_command
from tests.unit.evaluation.few_shot.test_kept_runs import ROWS, write_run
from tests.unit.evaluation.few_shot.test_shots import TUNED, record


# Of a person's own dialogues nothing fits at K = 1; of a stranger's no more at K = 5 than at 3.
OWN, STRANGERS = {1: 0.0, 3: 0.98, 5: 4.96}, {1: 1.0, 3: 2.08, 5: 2.08}


def short(row, **changes):
    cells = dict.fromkeys(OWN, row.tuned[5])
    update = {"prompted": cells, "prompted_k": OWN, "stranger_prompted": cells}
    return row.model_copy(update=update | {"stranger_prompted_k": STRANGERS} | changes)


SHORT = {"transfer": short(ROWS["transfer"]), "in_place": ROWS["in_place"]}


def made(tmp_path, command):
    """Make a study of rows with short prompts; return it."""
    command([write_run(tmp_path / "a", SHORT)], study=tmp_path / "study")
    return Study("study", tmp_path / "study")


def test_what_fits_of_a_strangers_dialogues_is_counted():
    before = shot_sums(TUNED, None, [], [0, 1, 3])
    people = [(seed, task) for seed in (0, 1) for task in ("p0", "p1")]
    by_k = {
        1: [record(1, 5.0, *one, protocol="in_context") for one in people],
        3: [record(one[0], 5.0, *one, protocol="in_context") for one in people],
    }
    found = stranger_sums(before, by_k, in_prompt=True)
    assert found.stranger_prompted_k == {1: 1.0, 3: 0.5}
    assert found.fitted("stranger_prompt") == {1: 1.0, 3: 0.5}
    assert stranger_sums(before, by_k, in_prompt=False).stranger_prompted_k == {}


def test_where_not_one_dialogue_fits_anywhere_that_is_known():
    """The control was asked for and has no record: it is that of K = 0, and left out by name."""
    found = shot_sums(TUNED, [], [], [0, 1, 3])
    assert found.prompted_k == {1: 0.0, 3: 0.0}
    assert found.prompted[3] == found.tuned[0]
    assert found.shots("prompt") == []
    assert [(one.k, one.same_as) for one in short_prompts({"x": found})] == [(1, 0), (3, 0)]


def test_prompts_that_are_those_of_a_smaller_k_are_neither_tested_nor_counted_by_holm(tmp_path):
    found = shot_tables.tests_of(made(tmp_path, shot_tests_command))
    prompts = ("prompt", "stranger_prompt")
    levels = [(one.side.way, one.side.k) for one in found.levels if one.side.way in prompts]
    assert levels == [
        ("prompt", 3), ("prompt", 5), ("stranger_prompt", 1), ("stranger_prompt", 3)
    ]  # fmt: skip
    tested = [(t.a.way, t.b.way, t.a.k) for t in found.tests if t.family == "ways"]
    assert tested == [
        ("gradient", "prompt", 5),
        ("prompt", "stranger_prompt", 3),
    ]
    assert [(one.k, one.same_as) for one in found.short_prompts if one.way == "prompt"] == [
        (1, 0), (3, None), (5, None)
    ]  # fmt: skip


def test_how_many_fit_stands_beside_every_number(tmp_path, capsys):
    study = made(tmp_path, shot_tests_command)
    said = capsys.readouterr()
    told = "transfer, K = 5 - transfer, K = 5, in the prompt (4.96 fit): "
    assert told in said.out
    left_out = (
        "Left out, for the prompts are those of a smaller K: transfer, in the prompt, K = 1: not a "
        "dialogue fits; transfer, a stranger's in the prompt, K = 5: as at K = 3."
    )
    assert left_out in said.err
    tables = shot_tables.sections(study)
    level, *notes = tables["## Nats per token"]
    assert " (0.98 fit) | " in next(x for x in level.split("\n") if "`, in the prompt | – | –" in x)
    assert left_out.replace("transfer", "`transfer`") in notes
    (ways,) = tables["## Gradient steps or the prompt, own or a stranger's"]
    assert (
        "`transfer`, K = 3, in the prompt (0.98 fit) | `transfer`, K = 3, a stranger's in the "
        "prompt (2.1 fit) |" in ways
    )
    quote = shot_tables.ShotQuote(shot_tables.tests_of(study))
    assert quote.nats("transfer", 3, "prompt").endswith(" (0.98 fit)")
    assert quote.ways("transfer", 5, "gradient", "prompt").endswith(" (4.96 fit)")
    assert quote.gain("transfer", 3, "stranger_prompt").endswith(" (2.1 fit)")


def test_a_curve_says_it_by_setting(tmp_path):
    study = made(tmp_path, conflict)
    level, *notes = curve.sections(study)["## Nats per token"]
    own = next(line for line in level.split("\n") if "`transfer`, in the prompt" in line)
    cells = own.strip("| ").split(" | ")
    assert [cell.partition(" (")[2] for cell in cells[2:]] == ["", "", "0.98 fit)", "4.96 fit)"]
    assert cells[2:4] == ["–", "–"]
    assert notes[1].endswith(
        "conflict 0, `transfer`, a stranger's in the prompt, K = 5: as at K = 3."
    )


@pytest.mark.parametrize(
    ("command", "file", "shown"),
    [
        (shot_tests_command, "shot_tests.json", shot_tables.tests_of),
        (conflict, "curve.json", curve.of),
    ],
)
def test_an_older_result_that_does_not_say_it_is_not_shown(command, file, shown, tmp_path):
    study = made(tmp_path, command)
    path = study.file(file)
    content = json.loads(path.read_text())
    del content["short_prompts"], content["content_sha256"]
    artifacts.write_sealed(path, content)
    with pytest.raises(DataError, match=r"\(transfer, K = 1, in the prompt: 0\); run .*--study"):
        shown(study)


def test_where_all_fit_nothing_is_said(tmp_path, capsys):
    shot_tests_command([write_run(tmp_path / "a", ROWS)], study=tmp_path / "study")
    assert "short_prompts" not in (tmp_path / "study/shot_tests.json").read_text()
    assert "fit)" not in capsys.readouterr().err


@pytest.mark.parametrize("fitted", [{1: 1.0, 3: 3.0}, {1: 1.0, 3: -0.5, 5: 5.0}])
def test_counts_that_are_missing_or_impossible(fitted, tmp_path):
    run = write_run(tmp_path, {"transfer": short(ROWS["transfer"], prompted_k=fitted)})
    with pytest.raises(DataError, match=r"prompt, K = \d: how many of the dialogues fit, 0 to \d"):
        read(run / "shots/transfer.json", ShotSums, made_by="shots transfer")


def test_a_strangers_prompts_of_an_older_file(tmp_path):
    """Taken for whole where the person's own dialogues all fit; else nobody knows."""
    whole = short(ROWS["transfer"], prompted_k={1: 1.0, 3: 3.0, 5: 5.0}, stranger_prompted_k={})
    path = write_run(tmp_path, {"transfer": whole}) / "shots/transfer.json"
    found = read(path, ShotSums, made_by="shots transfer")
    assert found.shots("stranger_prompt") == [1, 3, 5]
    write_run(tmp_path, {"transfer": short(ROWS["transfer"], stranger_prompted_k={})})
    with pytest.raises(
        DataError,
        match=r"stranger_prompt, K = 1: how many of .* it is not there\); run .*shots transfer`",
    ):
        read(path, ShotSums, made_by="shots transfer")

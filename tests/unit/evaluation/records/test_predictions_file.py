"""What `score` and `compare` refuse to believe of a file of predictions."""

import json

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError
from pipeline.evaluation.records import predictions_file
from tests.support.prediction_builder import a_prediction, full, ranked
from tests.support.predictions_on_disk import write_predictions
from tests.support.sealed import edit_sealed


VARIANT = "transfer"


def records():
    """Two seeds, two people, two dialogues of two replies, each protocol."""
    for seed in (0, 1):
        for split, name in (("valid", "v0"), ("test", "p0"), ("test", "p1")):
            for dialogue in ("d0", "d1"):
                for turn in (0, 1):
                    own = {"seed": seed, "split": split, "task_id": name}
                    own |= {"dialogue_id": f"{name}-{dialogue}", "turn": turn}
                    for epoch in (0, 1):
                        yield full(**own, epoch=epoch)
                        if split == "test":
                            yield a_prediction(**own, epoch=epoch, protocol="swap")
                            yield full(**own, epoch=epoch, protocol="k_shot", k=3)
                    if split == "test":
                        yield full(**own, epoch=0, protocol="k_shot", k=0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_predictions(tmp_path, VARIANT, records())
    return tmp_path


def edit(change):
    """Give the lines to a function, and write what it returns; the identity is made to fit."""
    path = artifacts.predictions_file(VARIANT)
    lines = change([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    own = {"sha256": artifacts.sha256_of(path), "records": len(lines)}
    edit_sealed(artifacts.identity_file(VARIANT), lambda identity: identity | own)


def test_what_finetune_wrote_is_read(folder):
    assert predictions_file.read(VARIANT) == list(records())


@pytest.mark.parametrize("number", [0, 1, 7, 20, 47, 71])
def test_a_record_removed_is_named_whatever_the_identity_says(folder, number):
    edit(lambda lines: lines[:number] + lines[number + 1 :])
    with pytest.raises(DataError, match=r"is missing; run `python -m stages.finetune transfer`"):
        predictions_file.read(VARIANT)


@pytest.mark.parametrize("number", [0, 1, 7, 20, 47, 71])
def test_a_record_doubled_is_refused(folder, number):
    edit(lambda lines: [*lines[:number], lines[number], *lines[number:]])
    with pytest.raises(DataError, match="is there twice"):
        predictions_file.read(VARIANT)


def test_a_record_doubled_elsewhere_is_refused(folder):
    edit(lambda lines: [*lines, lines[0]])
    with pytest.raises(DataError, match="stand in two places"):
        predictions_file.read(VARIANT)


@pytest.mark.parametrize(
    ("field", "value"), [("turn", 5), ("epoch", 2), ("k", 4), ("seed", 7), ("dialogue_id", "x")]
)
def test_a_record_renumbered_is_refused(folder, field, value):
    edit(lambda lines: [*lines[:9], lines[9] | {field: value}, *lines[10:]])
    with pytest.raises(DataError, match=r"is missing|none of K|two places|has seed|lacks"):
        predictions_file.read(VARIANT)


def test_a_seed_of_one_person_removed_is_refused(folder):
    edit(lambda lines: [r for r in lines if (r["task_id"], r["seed"]) != ("p1", 1)])
    with pytest.raises(DataError, match=r"p1 \(test\) lacks training seed 1"):
        predictions_file.read(VARIANT)


def test_a_dialogue_of_one_seed_removed_is_refused(folder):
    edit(lambda lines: [r for r in lines if (r["dialogue_id"], r["seed"]) != ("p1-d1", 1)])
    with pytest.raises(DataError, match="other replies for one seed"):
        predictions_file.read(VARIANT)


def test_a_person_removed_is_refused_by_what_finetune_counted(folder):
    path = artifacts.predictions_file(VARIANT)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"p1"' not in line))
    with pytest.raises(DataError, match=r"72 records, not the 128 that finetune wrote"):
        predictions_file.read(VARIANT)


def test_a_number_within_bounds_edited_is_refused_by_the_digest(folder):
    path = artifacts.predictions_file(VARIANT)
    path.write_text(path.read_text().replace('"nll":3.0', '"nll":2.9', 1))
    with pytest.raises(DataError, match="that finetune wrote"):
        predictions_file.read(VARIANT)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nll", -1e6),
        ("nll", -0.01),
        ("nll_end", -1),
        ("num_tokens", -1),
        ("gold", 99),
        ("gold", -1),
        ("gold", 1),
        ("candidate_nll", [-5.0] + [1.0] * 19),
        ("candidate_tokens", [0] + [1] * 19),
        ("seed", -1),
    ],
)
def test_a_number_out_of_bounds_is_named_with_its_line(folder, field, value):
    edit(lambda lines: [lines[0] | {field: value}, *lines[1:]])
    with pytest.raises(DataError, match=r"transfer.jsonl:1: not a valid Prediction: .*"):
        predictions_file.read(VARIANT)


@pytest.mark.parametrize("count", [1, 19, 21])
def test_candidates_are_twenty(folder, count):
    """One candidate alone would be a hit."""
    short = ranked([1.0] * count).model_dump(mode="json", exclude_none=True)
    lists = {name: value for name, value in short.items() if name.startswith("candidate")}
    edit(lambda lines: [lines[0] | lists, *lines[1:]])
    with pytest.raises(DataError, match=rf"transfer.jsonl:1: {count} candidates, 20 were expected"):
        predictions_file.read(VARIANT)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_not_finite_is_refused(folder, value):
    path = artifacts.predictions_file(VARIANT)
    path.write_text(path.read_text().replace('"nll":3.0', f'"nll":{value}', 1))
    with pytest.raises(DataError, match=r"transfer\.jsonl:1: not a valid Prediction"):
        predictions_file.read(VARIANT)


def test_a_key_that_is_there_twice_is_refused(folder):
    path = artifacts.predictions_file(VARIANT)
    path.write_text(path.read_text().replace('"nll":3.0', '"nll":9.0,"nll":3.0', 1))
    with pytest.raises(DataError, match=r"transfer.jsonl:1: .*'nll' is there twice"):
        predictions_file.read(VARIANT)


def test_a_line_without_end_is_not_read_whole(folder, monkeypatch):
    monkeypatch.setattr(predictions_file, "LONGEST_LINE", 5000)
    artifacts.predictions_file(VARIANT).write_bytes(b"[" * 6000)
    with pytest.raises(DataError, match=r"jsonl:1: over 5,000 bytes, so no record; run `python"):
        predictions_file.read(VARIANT)


def test_another_variants_file_is_refused_with_both_names(folder):
    for path in (artifacts.predictions_file, artifacts.identity_file):
        path("in_place").write_bytes(path(VARIANT).read_bytes())
    with pytest.raises(DataError, match="predictions of variant 'transfer', not of 'in_place'"):
        predictions_file.read("in_place")


def test_records_without_their_identity_are_refused(folder):
    artifacts.identity_file(VARIANT).unlink()
    with pytest.raises(MissingFileError, match=r"transfer.json: not found; run .*finetune"):
        predictions_file.read(VARIANT)


@pytest.mark.parametrize("content", ["[]", "{}", '{"variant": 1}', '{"a": 1, "a": 2}', "{"])
def test_an_identity_that_is_none_is_refused(folder, content):
    artifacts.identity_file(VARIANT).write_text(content)
    with pytest.raises(DataError, match=r"transfer\.json"):
        predictions_file.read(VARIANT)


@pytest.mark.parametrize("what", ["tasks", "base"])
def test_variants_of_other_tasks_or_of_another_base_are_not_compared(folder, what):
    write_predictions(folder, "in_place", records(), **{what: "f" * 64})
    identities = [predictions_file.read_identity(name) for name in (VARIANT, "in_place")]
    with pytest.raises(DataError, match=rf"transfer and in_place .* different {what}"):
        predictions_file.refuse_other_inputs(identities)


def test_an_identity_without_what_made_it_is_refused(folder):
    path = artifacts.identity_file(VARIANT)
    edit_sealed(path, lambda content: {k: content[k] for k in content if k != "made_with"})
    again = r"run `python -m stages.finetune transfer` \(or `dvc repro`\) again"
    with pytest.raises(DataError, match=rf"transfer.json: made_with: not as finetune .*{again}$"):
        predictions_file.read_identity(VARIANT)


def test_an_identity_edited_by_hand_is_refused(folder):
    """Else what made the records would be as params.yaml says, whatever made them."""
    path = artifacts.identity_file(VARIANT)
    content = json.loads(path.read_text())
    for edited in (
        content | {"made_with": {"inner_lr": 0.5}},
        {k: v for k, v in content.items() if k != "content_sha256"},
    ):
        artifacts.write_json(path, edited)
        with pytest.raises(DataError, match=r"transfer\.json: .*`python -m stages.finetune tr"):
            predictions_file.read_identity(VARIANT)

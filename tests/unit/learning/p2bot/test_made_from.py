"""Self-play's record says which transmitter and receiver it began with; readers check that."""

import json
from dataclasses import replace

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, ModelError
from pipeline.evaluation.schemas.made_from import refuse_other_runs
from pipeline.learning.training.loop import Trained, TrainingProgress
from pipeline.learning.training.variant_run import save
from pipeline.model.files.variant_record import models_read, read_variant, refuse_other_inputs
from stages.commands.table import _runs
from stages.shell.one_run import of_runs
from tests.support.sealed import edit_sealed
from tests.support.toy_project import toy_params, write_params
from tests.support.variant_runs import a_run


READ = {
    "transmitter": artifacts.transmitter_dir("in_place", 0),
    "receiver": artifacts.receiver_dir(0),
}
RECORD = artifacts.model_dir("in_place", 0) / "variant.json"
AGAIN = r"run `python -m stages.p2_selfplay in_place 0` \(or `dvc repro`\)"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    """With something to read, whose digests a run records."""
    monkeypatch.chdir(tmp_path)
    artifacts.write_text(artifacts.BASE / "tokenizer.json", "{}")
    artifacts.write_text(artifacts.BASE_FACTS, "{}")
    for split in artifacts.SPLITS:
        artifacts.write_text(artifacts.tasks_file(split), split)
    for folder in READ.values():
        artifacts.write_text(folder / "tensors", "as they were")


@pytest.fixture
def played(make_learner):
    """The folder of a run of self-play."""
    return saved(make_learner(), replace(a_run("p2_selfplay"), inputs=models_read("in_place", 0)))


def saved(learner, run):
    return save(run, learner, Trained(learner.theta, TrainingProgress()), {})


def test_the_record_has_the_digests_of_the_models_that_self_play_reads(played):
    record = json.loads(RECORD.read_text())
    assert {part: record[part] for part in READ} == {
        part: artifacts.sha256_of(folder) for part, folder in READ.items()
    }


def test_other_records_have_no_such_keys(make_learner):
    saved(make_learner(), a_run())
    assert not READ.keys() & json.loads(RECORD.read_text()).keys()


@pytest.mark.parametrize("part", READ)
def test_a_model_trained_again_after_self_play_is_refused(played, part):
    record = read_variant("in_place", 0)
    refuse_other_inputs(record, tasks=True)
    artifacts.write_text(READ[part] / "tensors", "trained again")
    message = rf"in_place/seed-0: trained from a {READ[part]} of SHA-256 \w+…, now it is .*{AGAIN}"
    with pytest.raises(ModelError, match=message):
        refuse_other_inputs(record, tasks=True)
    refuse_other_inputs(record, tasks=False)  # what it has learned may still be talked to
    with pytest.raises(DataError, match=rf"variant.json: belongs to a {READ[part]} .*{AGAIN}"):
        refuse_other_runs(of_runs([record]))


def test_a_model_that_is_not_there_is_not_compared(played):
    (READ["transmitter"] / "tensors").unlink()
    READ["transmitter"].rmdir()
    refuse_other_inputs(read_variant("in_place", 0), tasks=True)


@pytest.mark.parametrize("part", READ)
def test_a_record_of_self_play_without_them_is_refused(played, part, tmp_path):
    edit_sealed(RECORD, lambda record: {k: record[k] for k in record if k != part})
    with pytest.raises(ModelError, match=r"not a variant\.json of this version"):
        read_variant("in_place", 0)
    params = toy_params()
    write_params(tmp_path, params | {"meta_trained": [], "self_played": ["in_place"]})
    with pytest.raises(DataError, match=rf"variant.json: {part}: not as its stage .*{AGAIN}"):
        _runs("in_place", [0])


@pytest.mark.parametrize("part", READ)
def test_a_record_of_another_stage_with_them_is_refused(make_learner, part):
    saved(make_learner(), a_run())
    edit_sealed(RECORD, lambda record: record | {part: "0" * 64})
    with pytest.raises(ModelError, match=r"not a variant\.json of this version"):
        read_variant("in_place", 0)

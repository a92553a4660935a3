"""A training run's record that was edited by hand: costs are not shown, nor what it says."""

import json

import pytest

from pipeline import artifacts
from stages.commands.samples import samples
from stages.commands.table import table
from tests.support.sealed import edit_sealed
from tests.support.whole_run import project, refused


__all__ = ["project"]


@pytest.fixture
def record(project):
    return artifacts.model_dir("transfer", 0) / "variant.json"


def multiply(record, field):
    edit_sealed(record, lambda content: content | {field: 10 * content[field]})


@pytest.mark.parametrize("field", ["tokens", "operations", "trained_parameters"])
@pytest.mark.parametrize("predictions", [True, False])
def test_the_table_refuses_it(record, field, predictions):
    """Predictions record the model's digest, and details, which are there without them."""
    if not predictions:
        artifacts.identity_file("transfer").unlink()
    multiply(record, field)
    stage = "finetune" if predictions else "score"
    refused(
        table,
        "transfer.json: belongs to a models/transfer/seed-0 of SHA-256 ",
        "…, now it is ",
        f"; run `python -m stages.{stage} transfer` (or `dvc repro`)",
    )


@pytest.mark.parametrize("sealed", [True, False])
def test_edited_by_hand_it_is_refused_by_its_seal(record, sealed):
    content = json.loads(record.read_text()) | {"tokens": 7}
    if not sealed:
        del content["content_sha256"]
    artifacts.write_json(record, content)
    refused(table, f"{record}: ", "(or `dvc repro`)")


def test_samples_refuse_it(record):
    multiply(record, "tokens")
    refused(
        lambda: samples(count=1, seed=0, out=None),
        "predictions/transfer.json: belongs to a models/transfer/seed-0 of SHA-256 ",
    )


def test_without_models_nothing_is_compared(record):
    artifacts.MODELS.rename("away")
    table()

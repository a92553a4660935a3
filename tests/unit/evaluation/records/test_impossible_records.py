"""Records and identities that finetune never writes, though their digests may fit: one line."""

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.records import predictions_file
from tests.support.predictions_on_disk import write_predictions
from tests.support.sealed import edit_sealed
from tests.unit.evaluation.records.test_predictions_file import (
    VARIANT,
    edit,
    records,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_predictions(tmp_path, VARIANT, records())
    edit_sealed(artifacts.identity_file(VARIANT), with_weights)
    return tmp_path


def with_weights(identity):
    """The records have no cache; a test may give them one."""
    identity["params"]["finetune"]["cache"] = [0.0, 0.1]
    return identity


def with_cache(number, epoch, nats, weight="0.1"):
    def change(lines):
        cached = {"cache_nll": {"0.0": nats, weight: 3.0}, "nll": 3.0, "nll_end": 1.0}
        assert lines[number]["epoch"] == epoch
        return [*lines[:number], lines[number] | cached, *lines[number + 1 :]]

    return change


@pytest.mark.parametrize("nats", [4.00001, 3.0, 40.0])
def test_a_cache_of_weight_0_that_is_not_the_model_is_refused(folder, nats):
    edit(with_cache(2, 0, nats))
    said = rf"transfer.jsonl:3: cache_nll of weight 0.0 is {nats}, but nll and nll_end sum to 4.0; "
    with pytest.raises(DataError, match=rf"{said}run `python -m stages.finetune transfer`"):
        predictions_file.read(VARIANT)


def test_a_cache_of_weight_0_may_be_rounded_and_is_of_the_model_before_adaptation(folder):
    edit(with_cache(2, 0, 4.000001))
    edit(with_cache(1, 1, 7.0))
    assert len(predictions_file.read(VARIANT)) == len(list(records()))


def test_a_cache_of_another_weight_is_refused(folder):
    edit(with_cache(2, 0, 4.0, weight="0.3"))
    with pytest.raises(
        DataError, match=r"jsonl:3: cache_nll of weights \['0.0', '0.3'\], those of"
    ):
        predictions_file.read(VARIANT)


def test_a_turn_of_ten_digits_is_not_counted_up_to(folder):
    edit(lambda lines: [lines[0] | {"turn": 2 * 10**9}, *lines[1:]])
    with pytest.raises(DataError, match=r"v0-d0, turn 0 .* is missing"):
        predictions_file.read(VARIANT)


def test_a_persona_is_of_at_most_so_many_sentences_as_a_corpus_may_give(folder):
    edit(lambda lines: [lines[0] | {"persona": ["b"] * 101}, *lines[1:]])
    with pytest.raises(DataError, match="persona: List should have at most 100 items"):
        predictions_file.read(VARIANT)


@pytest.mark.parametrize("change", [{"candidate_tokens": [10**400] * 20}, {"num_words": 10**18}])
def test_a_count_that_no_text_has_is_refused(folder, change):
    edit(lambda lines: [lines[0] | change, *lines[1:]])
    with pytest.raises(DataError, match=r"jsonl:1: not a valid Prediction: .*less than or equal"):
        predictions_file.read(VARIANT)


@pytest.mark.parametrize("place", [("seeds",), ("finetune", "epochs"), ("finetune", "k")])
def test_an_identity_with_numbers_that_are_none_is_refused(folder, place):
    def change(identity):
        *outer, key = place
        section = identity["params"][outer[0]] if outer else identity["params"]
        section[key] = [*section[key], "x"]
        return identity

    edit_sealed(artifacts.identity_file(VARIANT), change)
    with pytest.raises(DataError, match=r"params are not as finetune writes them .'x' is no"):
        predictions_file.read(VARIANT)

"""Sums by person and seed after K dialogues, fine-tuned or in the prompt."""

import numpy as np
import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.few_shot.shots import ShotSums, cache_sums, shot_sums, stranger_sums
from pipeline.evaluation.schemas.base import read
from tests.support.prediction_builder import a_prediction


def record(k, nll, seed=0, task="p0", turn=0, protocol="k_shot"):
    epoch = int(protocol == "k_shot" and k > 0)
    return a_prediction(
        protocol=protocol, k=k, epoch=epoch, nll=nll, seed=seed, task_id=task, turn=turn,
        dialogue_id=f"{task}-d",
    )  # fmt: skip


TUNED = [
    record(k, nll=k + seed + turn, seed=seed, task=task, turn=turn)
    for k in (0, 1, 3)
    for seed in (0, 1)
    for task in ("p0", "p1")
    for turn in (0, 1)
]


def test_the_sums_are_of_nats_and_tokens_by_person_and_seed():
    found = shot_sums(TUNED, None, [], [0, 1, 3])
    assert (found.personas, found.seeds) == (["p0", "p1"], [0, 1])
    # Two replies of 3 tokens and a closing one: k + seed + (0, 1), and 1 for each closing token.
    assert found.tuned[3] == [[[9.0, 8.0], [11.0, 8.0]]] * 2
    np.testing.assert_allclose(found.nats(3), [[9 / 8, 11 / 8]] * 2)
    assert found.prompted == {}


def test_sums_by_word_leave_closing_tokens_out():
    found = shot_sums(TUNED, None, [], [0, 1, 3])
    words = 2 * a_prediction().num_words
    assert found.by_word[3] == [[[7.0, words], [9.0, words]]] * 2


def test_a_prompt_counts_at_every_k_that_allows_it():
    """A prompt of one dialogue serves K = 1 and 3; a reply without any keeps its K = 0 score."""
    prompted = [record(1, 0.0, protocol="in_context"), record(2, 50.0, protocol="in_context")]
    zero = [record(0, 2.0), record(0, 4.0, turn=1), record(1, 9.0), record(3, 9.0)]
    found = shot_sums(zero, prompted, [], [0, 1, 3])
    assert found.prompted[1] == [[[0 + 1 + 4 + 1, 8.0]]]
    assert found.prompted[3] == [[[50 + 1 + 4 + 1, 8.0]]]
    assert found.prompted_k == {1: 0.5, 3: 1.0}


def test_what_is_missing_is_said():
    with pytest.raises(DataError, match="no sums at K = 5"):
        shot_sums(TUNED, None, [], [0, 1, 3]).nats(5)


def test_a_file_comes_back_as_it_was():
    found = shot_sums(TUNED, [record(1, 0.0, protocol="in_context")], [], [0, 1])
    assert ShotSums.model_validate_json(found.model_dump_json()) == found


def mixed(k, nats, split="test", task="p0"):
    """A record of epoch 0 whose cache has these nats at weights 0 and 0.5."""
    cache = dict(zip(("0.0", "0.5"), nats, strict=True))
    return a_prediction(
        protocol="k_shot", k=k, epoch=0, nll=9.0, split=split, task_id=task,
        dialogue_id=f"{task}-d", cache_nll=cache,
    )  # fmt: skip


def test_the_caches_weight_is_valids_and_its_sums_are_tests():
    before = shot_sums([record(k, 2.0) for k in (0, 1, 3)], None, [], [0, 1, 3])
    valid = [mixed(1, (3.0, 2.0), "valid"), mixed(3, (2.0, 3.0), "valid")]
    found = cache_sums(before, valid, [mixed(1, (8.0, 6.0)), mixed(3, (8.0, 6.0))])
    assert found.cache_weight == {1: 0.5, 3: 0.0}
    assert found.cached == {1: [[[6.0, 4.0]]], 3: [[[8.0, 4.0]]]}
    assert found.nats(1, "cache").tolist() == [[1.5]]
    assert found.tuned == before.tuned
    assert ShotSums.model_validate_json(found.model_dump_json()) == found


def test_a_cache_of_other_people_is_refused():
    before = shot_sums([record(k, 2.0) for k in (0, 1)], None, [], [0, 1])
    with pytest.raises(DataError, match="other people"):
        cache_sums(before, [mixed(1, (3.0, 2.0), "valid")], [mixed(1, (3.0, 2.0), task="p1")])


def test_a_strangers_dialogues_are_scored_for_the_same_people():
    before = shot_sums(TUNED, None, [], [0, 1, 3])
    by_k = {1: [record(1, 5.0, seed, task) for seed in (0, 1) for task in ("p0", "p1")]}
    found = stranger_sums(before, by_k, in_prompt=False)
    assert found.stranger == {1: [[[6.0, 4.0], [6.0, 4.0]]] * 2}
    assert found.stranger_prompted == {}
    assert found.nats(1, "stranger").tolist() == [[1.5, 1.5]] * 2
    prompted = stranger_sums(before, by_k, in_prompt=True)
    assert (prompted.stranger, prompted.stranger_prompted) == ({}, found.stranger)
    with pytest.raises(DataError, match=r"K = 1: after strangers' dialogues 1 people"):
        stranger_sums(before, {1: by_k[1][::2]}, in_prompt=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"by_word": {1: [[[1.0, 2.0]] * 2]}}, "by_word, K = 1: nats and tokens of 2 people and 2"),
        ({"by_word": {1: [[[1.0, 2.0], [1.0]]] * 2}}, "by_word, K = 1: nats and tokens of 2 peop"),
        ({"tuned": {1: [[[1e308, 2.0]] * 2] * 2}}, "gradient, K = 1: 1e.308 nats of 2 tokens are"),
        ({"tuned": {1: [[[-5.0, 2.0]] * 2] * 2}}, "gradient, K = 1: -5 nats of 2 tokens are none"),
        ({"tuned": {1: [[[5.0, 0.0]] * 2] * 2}}, "gradient, K = 1: fewer than 1 tokens"),
        ({"seeds": [0, 0]}, "seeds: one is there twice"),
        ({"personas": ["p0", "p0"]}, "personas: one is there twice"),
        ({"cache_weight": {1: 1.0}}, "cache_weight.1: "),
        ({"cache_weight": {1: -0.1}}, "cache_weight.1: "),
    ],
)
def test_sums_that_cannot_be_are_one_line(change, said, tmp_path):
    found = shot_sums(TUNED, None, [], [0, 1, 3])
    path = tmp_path / "x.json"
    artifacts.write_sealed(path, found.model_copy(update=change).content())
    with pytest.raises(DataError, match=said):
        read(path, ShotSums, made_by="shots x")

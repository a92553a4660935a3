"""The result of meta-training does not depend on the number of ranks: real processes, float64."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.inner.validation import validate
from pipeline.learning.meta import maml, over_ranks
from pipeline.learning.task_loss.episodes import (
    EncodedTask,
    EpisodeSize,
    training_episodes,
    validation_episodes,
)
from pipeline.learning.training import loop
from pipeline.learning.training.history import adaptation
from pipeline.learning.training.learned import Learned
from pipeline.learning.training.rate import Criterion, Schedule
from pipeline.model.base.tokenizer import add_special_tokens, train_tokenizer
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.params import Loop
from pipeline.processes import ranks
from tests.conftest import LINES, a_dialogue, learner_of
from tests.support.processes import run


TASKS = 5  # on 2 ranks 3 and 2, on 3 ranks 2, 2 and 1
STEPS = 4
VARIANTS = ("in_place", "extra_place")
KINDS = {"in_place": "exact", "extra_place": "reptile"}


def train(variant, steps, *, name, tasks=TASKS):
    """Meta-train a tiny learner for some steps, from its checkpoint if there is one."""
    place = ranks.here()
    tokenizer = train_tokenizer(LINES * 4, 300)
    add_special_tokens(tokenizer)
    learner = learner_of(tokenizer, variant, double=True, n_layer=1)
    encode = learner.encoder.encode
    people = [
        EncodedTask(f"p{i}", tuple(encode(a_dialogue(3 * i + j, turns=2)) for j in range(2)))
        for i in range(tasks)
    ]
    valid = validation_episodes(people, EpisodeSize(1, None, None), draws=1)
    inner = InnerLoop(list(learner.theta), 0.05, 1, KINDS[variant])

    def gradient(learned, episodes):
        return maml.meta_gradient(learner, learned.theta, episodes, inner)

    def step(learned, number):
        episodes = training_episodes(people, tasks, EpisodeSize(1, 1, 1), seed=0, step=number)
        return over_ranks.step(
            place, learned.tensors(), episodes, lambda mine: gradient(learned, mine)
        )

    def losses(learned):
        return adaptation(
            over_ranks.validate(
                place, valid, lambda mine: validate(learner, learned.theta, mine, inner)
            )
        )

    rest = Loop(
        warmup_steps=0,
        clip=1.0,
        validate_every=2,
        patience=9,
    )
    trained = loop.run(
        Learned(learner.theta),
        step,
        losses,
        Schedule(0.001, steps, rest, Criterion("valid_adapted_loss", "lowest")),
        loop.Session(over_ranks.SharedCheckpoint(Checkpoint(name, {}), place), lambda *_: None),
    )
    stem = f"{name}-{steps}-rank-{place.rank}-of-{place.size}"
    save_file(trained.theta, f"{stem}.safetensors")
    Path(f"{stem}.json").write_text(json.dumps(vars(trained.progress)))


def all_scenarios(others):
    """What one process does for each number of ranks: `others` left checkpoints to go on from."""
    here = ranks.here()
    for variant in VARIANTS:
        train(variant, STEPS, name=f"{variant}-whole-{here.size}")
        train(variant, STEPS // 2, name=f"{variant}-left-by-{here.size}")
    for other in others:
        train("in_place", STEPS, name=f"in_place-left-by-{other}")
    train("in_place", 1, name=f"few-{here.size}", tasks=2)  # one of three ranks has no task
    missing_gradients(here)


def missing_gradients(here):
    """A tensor keeps no gradient where no rank has one: Adam then leaves it alone, as it should."""
    none, some = torch.zeros(2, requires_grad=True), torch.zeros(3, requires_grad=True)
    if here.first:
        some.grad = torch.ones(3)
    here.sum_gradients([none, some], weight=0.5 if here.size > 1 else 1.0)
    assert none.grad is None
    assert some.grad.tolist() == [0.5 if here.size > 1 else 1.0] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    assert run(all_scenarios, [], folder=folder) == [0]
    assert run(all_scenarios, [1], folder=folder, ranks=2) == [0, 0]
    assert run(all_scenarios, [2], folder=folder, ranks=3) == [0, 0, 0]
    assert run(train_again, folder=folder) == [0]
    return folder


def train_again():
    """One process goes on where three stopped."""
    train("in_place", STEPS, name="in_place-left-by-3")


def result(folder, stem):
    progress = json.loads((folder / f"{stem}.json").read_text())
    return load_file(folder / f"{stem}.safetensors"), progress


def assert_same(folder, found, expected):
    (theta, progress), (other_theta, other) = result(folder, found), result(folder, expected)
    for name, value in other_theta.items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(theta[name], value, rtol=0, atol=1e-10, msg=name)
    rows = zip(progress.pop("history"), other.pop("history"), strict=True)
    assert all(row == pytest.approx(other_row, abs=1e-10) for row, other_row in rows)
    assert progress == pytest.approx(other, abs=1e-10)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_result_is_that_of_one_process(folder, variant, size):
    alone = f"{variant}-whole-1-{STEPS}-rank-0-of-1"
    assert result(folder, alone)[1]["best_step"] == STEPS  # what is compared has moved
    for rank in range(size):
        stem = f"{variant}-whole-{size}-{STEPS}-rank-{rank}-of-{size}"
        assert_same(folder, stem, alone)


@pytest.mark.parametrize("size", [2, 3])
def test_every_rank_has_the_same_bits(folder, size):
    first, *others = (
        (folder / f"in_place-whole-{size}-{STEPS}-rank-{rank}-of-{size}.safetensors").read_bytes()
        for rank in range(size)
    )
    assert all(other == first for other in others)


@pytest.mark.parametrize(("left_by", "taken_up_by"), [(1, 2), (2, 3), (3, 1)])
def test_another_number_of_ranks_goes_on(folder, left_by, taken_up_by):
    stem = f"in_place-left-by-{left_by}-{STEPS}-rank-0-of-{taken_up_by}"
    assert_same(folder, stem, f"in_place-whole-1-{STEPS}-rank-0-of-1")


@pytest.mark.parametrize("size", [2, 3])
def test_a_rank_without_a_task_adds_nothing(folder, size):
    for rank in range(size):
        stem = f"few-{size}-1-rank-{rank}-of-{size}"
        assert_same(folder, stem, "few-1-1-rank-0-of-1")

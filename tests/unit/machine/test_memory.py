"""Memory of the meta-step, to the byte: what a further inner step and a further task add."""

import pytest
import torch

from benchmarks import ours
from benchmarks.allocations import peak_bytes
from benchmarks.dialogues import Size, episodes, same_dialogue_episode


SMALL = Size(2, 64, 2, 500)


def peak(tasks, adapters=False, **inner):
    """Peak bytes of one meta-step, the gradients not yet there."""
    exact = ours.Exact(SMALL, adapters=adapters, **inner)
    exact.meta_step(tasks, 0.01)  # what is made once and kept is not counted
    ours.clear(exact.learner)
    return peak_bytes(lambda: exact.meta_step(tasks, 0.01))


def test_allocations_are_counted_to_the_byte():
    kept = []

    def run():
        kept.append(torch.zeros(1000, 1000))
        torch.zeros(500, 1000)  # freed at once

    assert peak_bytes(run) == pytest.approx(6_000_000, abs=1000)
    assert peak_bytes(lambda: kept.append(torch.zeros(1000))) == pytest.approx(4000, abs=100)


@pytest.mark.parametrize("adapters", [False, True])
def test_a_further_inner_step_made_again_adds_no_activations(adapters):
    tasks = [same_dialogue_episode(SMALL, 0)]
    kept, again = (
        [peak(tasks, adapters, steps=steps, recompute=recompute) for steps in (1, 2, 3, 4)]
        for recompute in (False, True)
    )
    a_step = kept[1] - kept[0]
    assert kept[3] - kept[2] == pytest.approx(a_step, rel=0.01)  # a graph each
    assert again[1] - again[0] < 0.15 * a_step  # a copy of θ: θ̂_1 beside θ
    assert max(again[2:]) - again[1] < 0.01 * a_step  # and nothing more, whatever K is


@pytest.mark.parametrize(("adapters", "at_once"), [(False, 1), (True, 1), (True, 2)])
def test_memory_does_not_grow_with_the_tasks_of_a_meta_batch(adapters, at_once):
    two, four, eight = (
        peak([same_dialogue_episode(SMALL, 0)] * groups * at_once, adapters, tasks_at_once=at_once)
        for groups in (2, 4, 8)
    )
    assert four == pytest.approx(two, rel=0.001)
    assert eight == pytest.approx(two, rel=0.001)


def test_tasks_in_one_pass_do_take_memory():
    one, four = (peak(episodes(SMALL, 4), adapters=True, tasks_at_once=n) for n in (1, 4))
    assert four > 2.5 * one

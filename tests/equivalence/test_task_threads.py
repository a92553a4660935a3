"""Tasks on several threads: the same numbers to the last bit, in the tasks' order."""

import threading
from contextlib import contextmanager

import pytest
import torch

from pipeline.errors import TrainingError
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.inner.validation import validate
from pipeline.learning.meta.maml import meta_gradient
from pipeline.learning.task_loss.episodes import Episode
from pipeline.model.sequences.batching import collate, whole
from pipeline.processes.device import task_threads
from pipeline.processes.over_threads import ALONE, TaskThreads
from tests.conftest import AXES, a_dialogue


TASKS = 6


def episodes(learner):
    """Six tasks of different lengths, so that threads meet at different places."""
    windows = [learner.encoder.encode(a_dialogue(i, turns=1 + i % 3)) for i in range(2 * TASKS)]
    return [
        Episode(str(i), (whole(windows[2 * i]),), whole(windows[2 * i + 1])) for i in range(TASKS)
    ]


@contextmanager
def one_thread_in_torch():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def found(learner, kind, threads):
    theta = {name: value.clone().requires_grad_() for name, value in learner.theta.items()}
    inner = InnerLoop(list(theta), 0.05, 2, kind)
    report = meta_gradient(learner, theta, episodes(learner), inner, threads=threads)
    losses = validate(learner, theta, episodes(learner), inner, threads=threads)
    return {name: value.grad for name, value in theta.items()}, report, losses


@pytest.mark.parametrize("kind", ["exact", "first_order", "reptile"])
@pytest.mark.parametrize("name", AXES)
def test_threads_change_no_bit(make_learner, name, kind):
    learner = make_learner(name)
    with one_thread_in_torch(), TaskThreads(3) as threads:
        alone, report, losses = found(learner, kind, ALONE)
        for _ in range(3):  # threads meet differently every time
            together, same_report, same_losses = found(learner, kind, threads)
            assert same_report == report
            assert same_losses == losses
            for key, value in alone.items():
                assert torch.equal(together[key], value), key


def test_a_network_is_no_other_threads(make_learner):
    learner = make_learner("extra_place")
    batch = collate(episodes(learner)[0].query, torch.device("cpu"))
    both_inside = threading.Barrier(2, timeout=60)
    points = [{n: v + change for n, v in learner.theta.items()} for change in (0.0, 0.1)]

    def loss(theta):
        with torch.no_grad():
            return learner.losses(theta, batch).sum().item()

    def meet(*_):
        both_inside.wait()

    def meeting(theta):
        network = learner.model._trunk
        # Once the first block begins, functional_call has put the parameters in their places.
        hook = network.h[0].register_forward_pre_hook(meet)
        value = loss(theta)
        hook.remove()
        return value

    expected = [loss(theta) for theta in points]
    with TaskThreads(2) as threads:
        assert list(threads.map(meeting, points)) == expected


def test_results_are_in_order_and_few_wait():
    waiting, most = set(), 0
    lock = threading.Lock()

    def work(item):
        nonlocal most
        with lock:
            waiting.add(item)
            most = max(most, len(waiting))
        return item

    with TaskThreads(2) as threads:
        order = []
        for item in threads.map(work, range(20)):
            order.append(item)
            with lock:
                waiting.remove(item)
    assert order == list(range(20))
    assert most <= 3  # two, and the one that the caller has just been given


def test_a_single_task_is_the_callers():
    with TaskThreads(4) as threads:
        assert list(threads.map(lambda _: threading.current_thread(), [0])) == [
            threading.current_thread()
        ]
        assert threading.current_thread() not in threads.map(
            lambda _: threading.current_thread(), [0, 1]
        )


def test_threads_use_one_of_torchs_threads_each_and_the_caller_keeps_its_own():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with TaskThreads(2) as threads:
        assert list(threads.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
        assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_a_tasks_error_reaches_the_caller():
    def fail(item):
        raise ValueError(str(item))

    with TaskThreads(2) as threads, pytest.raises(ValueError, match="0"):
        list(threads.map(fail, range(6)))


def test_the_machine_decides_and_the_user_overrides(monkeypatch):
    monkeypatch.delenv("MAMLVIAPP_TASK_THREADS", raising=False)
    assert task_threads(torch.device("cpu")) == torch.get_num_threads()
    assert task_threads(torch.device("cuda")) == 1
    monkeypatch.setenv("MAMLVIAPP_TASK_THREADS", "5")
    assert task_threads(torch.device("cpu")) == 5
    monkeypatch.setenv("MAMLVIAPP_TASK_THREADS", "none")
    with pytest.raises(TrainingError, match="MAMLVIAPP_TASK_THREADS='none'"):
        task_threads(torch.device("cpu"))

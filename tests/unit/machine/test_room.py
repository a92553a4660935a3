"""A step that will not fit is refused before it starts; the estimate is near what is measured."""

from dataclasses import replace

import pytest
import torch

from benchmarks import ours, real_shape
from benchmarks.allocations import peak_bytes
from benchmarks.dialogues import Size, episodes, learner
from pipeline import artifacts
from pipeline.errors import TrainingError
from pipeline.learning.finetuning.plan import Support
from pipeline.learning.finetuning.room import require_room_to_adapt
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.meta import maml
from pipeline.learning.meta.room import require_room
from pipeline.learning.task_loss.episodes import EncodedTask
from pipeline.learning.task_loss.memory import Pass, step_bytes, theta_bytes, training_bytes
from pipeline.model.network.learner import in_bfloat16
from pipeline.params import FinetuneParams, Settings
from pipeline.processes import memory
from tests.wiring.closure import ROOT


CPU = torch.device("cpu")
SIZES = [Size(2, 96, 3, 2000), Size(4, 128, 4, 8000), Size(1, 64, 2, 20_000)]


@pytest.mark.parametrize("adapters", [False, True])
@pytest.mark.parametrize("kind", ["exact", "first_order"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.name}v{size.vocabulary}")
def test_the_estimate_is_near_the_peak(size, kind, adapters):
    own = learner(size, "eager" if kind == "exact" else "sdpa", adapters=adapters)
    tasks = episodes(size, 1)
    inner = InnerLoop(list(own.theta), 0.01, 1, kind)

    def step():
        ours.clear(own)
        maml.meta_gradient(own, own.theta, tasks, inner)

    step()
    ours.clear(own)
    estimate = step_bytes(own, Pass.of(tasks[0].support), exact=kind == "exact")
    assert 0.7 < estimate / peak_bytes(step) < 1.3


@pytest.mark.parametrize("kind", ["bottleneck", "lora"])
def test_a_fixed_phi_in_bfloat16_needs_less_than_the_estimate(kind):
    shape = real_shape.Shape(3, 96, 256, 4, 2, 2000)
    own = real_shape.learner(shape, kind, "eager")
    task = real_shape.episode(shape.vocabulary)
    inner = InnerLoop(list(own.theta), 0.01, 1, "exact")

    def peak(model):
        maml.meta_gradient(model, model.theta, [task], inner)
        ours.clear(model)
        return peak_bytes(lambda: maml.meta_gradient(model, model.theta, [task], inner))

    estimate = step_bytes(own, Pass.of(task.supports[0]), exact=True)
    whole = peak(own)
    assert 0.7 < estimate / whole < 1.3
    own.model.precision = "bfloat16"
    ours.clear(own)
    halved = peak(replace(own, fixed=in_bfloat16(own.fixed)))
    assert halved < 0.95 * whole


def a_machine(folder, monkeypatch, *, free, limit=None, used=0, cached=0):
    (folder / "proc").mkdir()
    text = f"MemTotal: 99999999 kB\nMemAvailable: {free >> 10} kB\n"
    (folder / "proc/meminfo").write_text(text)
    group = folder / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{limit or 'max'}\n")
    (group / "memory.current").write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")
    monkeypatch.setattr(memory, "SYSTEM", folder)


def test_free_memory_is_the_machines_or_the_containers(tmp_path, monkeypatch):
    a_machine(tmp_path, monkeypatch, free=8 << 30)
    assert memory.free_memory(CPU) == 8 << 30


def test_a_container_has_its_limit_less_what_it_would_not_give_back(tmp_path, monkeypatch):
    a_machine(tmp_path, monkeypatch, free=8 << 30, limit=4 << 30, used=3 << 30, cached=1 << 30)
    assert memory.free_memory(CPU) == 2 << 30


def test_a_system_that_does_not_tell_refuses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "SYSTEM", tmp_path)
    assert memory.free_memory(CPU) is None
    memory.require_memory("a step", 1 << 60, CPU, ["buy more"])


def test_what_will_not_fit_is_refused_and_what_may_is_not(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda _: 3 << 30)
    memory.require_memory("a step", 4 << 30, CPU, ["x"])
    with pytest.raises(TrainingError, match=r"needs about 4\.1 GiB .* 3\.0 GiB are free on cpu; x"):
        memory.require_memory("a step", (4 << 30) + (100 << 20), CPU, ["x"])
    monkeypatch.setenv("MAMLVIAPP_ANY_MEMORY", "1")
    memory.require_memory("a step", 1 << 50, CPU, ["x"])


def refusal(monkeypatch, *, adapters, threads, **inner):
    own = learner(SIZES[0], "eager", adapters=adapters)
    window = episodes(SIZES[0], 1)[0].query[0].window
    tasks = [EncodedTask("p", ((window,), (window,)))]
    monkeypatch.setenv("MAMLVIAPP_TASK_THREADS", str(threads))
    monkeypatch.setattr(memory, "free_memory", lambda _: 1 << 20)
    loop = InnerLoop(list(own.theta), 0.01, inner.pop("steps", 1), "exact", **inner)
    with pytest.raises(TrainingError) as error:
        require_room(own, tasks, loop, 4, 0)
    return str(error.value)


def test_a_meta_step_names_the_settings_that_lower_it(monkeypatch):
    whole = refusal(monkeypatch, adapters=False, threads=2, steps=3)
    for setting in ("TASK_THREADS", "RECOMPUTE", "base.context", "freeze_base"):
        assert setting in whole
    assert "TASKS_AT_ONCE" not in whole
    fixed = refusal(monkeypatch, adapters=True, threads=1, tasks_at_once=4)
    for setting in ("TASKS_AT_ONCE", "bfloat16"):
        assert setting in fixed
    assert "THREADS" not in fixed
    assert "RECOMPUTE" not in fixed


def test_threads_and_the_loops_own_copies_of_theta_count():
    own = learner(SIZES[0], "eager")
    theta = theta_bytes(own)
    assert training_bytes(own, 100, sums=False) == 4 * theta + 100
    assert training_bytes(own, 100, groups_at_once=2, sums=True) == 5 * theta + 200


def test_a_long_conversation_is_refused_before_it_is_adapted_to(monkeypatch):
    own = learner(SIZES[0], "sdpa")
    window = episodes(SIZES[0], 1)[0].query[0].window
    params = Settings.load(ROOT / artifacts.PARAMS).view(FinetuneParams).finetune
    params = params.model_copy(update={"batch_size": None})
    monkeypatch.setattr(memory, "free_memory", lambda _: 64 << 20)
    require_room_to_adapt(own, Support("p", [(window,)]), params)
    require_room_to_adapt(own, Support("p", []), params)
    long = Support("p", [(window,), tuple(replace(window) for _ in range(100))])
    with pytest.raises(TrainingError, match=r"adapting to the person .* shorter conversations"):
        require_room_to_adapt(own, long, params)
    require_room_to_adapt(own, long, params.model_copy(update={"batch_size": 8}))

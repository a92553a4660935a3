"""`kill -9` at any step, or while writing, and starting again gives the same bytes."""

import csv
import importlib
import os
import signal
from random import Random

import pytest
from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.learning.meta import maml
from pipeline.model.base.huggingface_folder import write_model
from pipeline.params import read_yaml
from pipeline.persona.task.record import PersonaTask
from pipeline.processes import ranks
from pipeline.processes.ranks import Ranks
from stages import meta_train
from tests.conftest import a_dialogue, tiny_gpt2
from tests.support.processes import run, start
from tests.wiring.closure import ROOT


OUTS = ("theta.safetensors", "history.csv", "variant.json")
STEPS, EVERY = 10, 3


def small_params():
    params = read_yaml(ROOT / "presets/embedded.yaml")
    params |= {"outer_steps": STEPS, "outer_batch_size": 3, "inner_batch_size": 1}
    params["meta_train"] |= {"validate_every": EVERY, "valid_episodes": 1, "warmup_steps": 2}
    return params


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tokenizer):
    """What `meta_train` reads: parameters, tasks, base."""
    folder = tmp_path_factory.mktemp("inputs")
    YAML().dump(small_params(), folder / artifacts.PARAMS)
    for split, count in (("train", 5), ("valid", 3), ("test", 1)):
        tasks = [
            PersonaTask(
                task_id=f"{split}{i}",
                split=split,
                dialogues=[a_dialogue(7 * i + j, turns=2) for j in range(2)],
            )
            for i in range(count)
        ]
        artifacts.write_records(folder / artifacts.tasks_file(split), tasks)
    base = folder / artifacts.BASE
    base.mkdir(parents=True)
    write_model(tiny_gpt2(tokenizer, n_layer=1), base)
    tokenizer.save_pretrained(base)
    artifacts.write_json(folder / artifacts.BASE_FACTS, {})
    return folder


@pytest.fixture
def folder(inputs, tmp_path):
    """A run's own folder; only the outs and the checkpoint are written in it."""
    for name in (artifacts.PARAMS, artifacts.TASKS, artifacts.BASE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(inputs / name)
    return tmp_path


def train(kill_at=None, rank=0):
    """Run the stage; on `rank`, kill it within step `kill_at`, after some of its work."""
    work, steps = maml.meta_gradient, iter(range(STEPS))

    def killed(*args, **options):
        report = work(*args, **options)
        if next(steps) == kill_at and ranks.here().rank == rank:
            os.kill(os.getpid(), signal.SIGKILL)
        return report

    maml.meta_gradient = killed
    meta_train.meta_train("in_place", 0)


@pytest.fixture(scope="module")
def uninterrupted(inputs):
    assert run(train, folder=inputs) == [0]
    return inputs / artifacts.model_dir("in_place", 0)


def checkpoints(folder):
    """Return the files of last saves; the saves before them lie beside."""
    return [p for p in (folder / artifacts.CHECKPOINTS).glob("*") if ".before." not in p.name]


@pytest.mark.parametrize("kill_at", sorted(Random(0).sample(range(STEPS), 3)))
def test_a_run_that_was_killed_ends_in_the_same_bytes(folder, uninterrupted, kill_at):
    assert run(train, kill_at, folder=folder) == [-signal.SIGKILL]
    out = folder / artifacts.model_dir("in_place", 0)
    assert not out.exists()
    assert len(checkpoints(folder)) == (kill_at >= EVERY)
    assert run(train, folder=folder) == [0]
    for name in OUTS:
        assert (out / name).read_bytes() == (uninterrupted / name).read_bytes(), name
    assert not list((folder / artifacts.CHECKPOINTS).iterdir())


def train_until(module, name, call):
    """Run the stage; kill it right after it has called `module.name` so many times."""
    module = importlib.import_module(module)
    function, calls = getattr(module, name), iter(range(call))

    def killed(*args, **options):
        function(*args, **options)
        if next(calls) == call - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, name, killed)
    meta_train.meta_train("in_place", 0)


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        ("pipeline.model.checkpoint.checkpoint", "write_tensors", 1),
        ("pipeline.model.checkpoint.checkpoint", "write_tensors", 2),
        ("pipeline.learning.training.variant_run", "save_theta", 1),
    ],
    ids=["first checkpoint", "second checkpoint", "out"],
)
def test_a_run_that_was_killed_while_writing_ends_in_the_same_bytes(
    folder, uninterrupted, module, name, call
):
    """What was written lies beside its place under another name, and is not taken for whole."""
    assert run(train_until, module, name, call, folder=folder) == [-signal.SIGKILL]
    out = folder / artifacts.model_dir("in_place", 0)
    assert not out.exists()
    assert run(train, folder=folder) == [0]
    for name in OUTS:
        assert (out / name).read_bytes() == (uninterrupted / name).read_bytes(), name
    assert not list(folder.rglob("*.partial"))


def test_killed_again_and_again(folder, uninterrupted):
    """Each start dies in the step after the checkpoint that it has written."""
    for _ in range(STEPS // EVERY):
        assert run(train, EVERY, folder=folder) == [-signal.SIGKILL]
    assert run(train, folder=folder) == [0]
    for name in OUTS:
        resumed = folder / artifacts.model_dir("in_place", 0) / name
        assert resumed.read_bytes() == (uninterrupted / name).read_bytes(), name


def test_one_process_goes_on_where_two_ranks_were_killed(folder, uninterrupted):
    first, second = start(train, 7, 1, folder=folder, ranks=2)
    second.join(60)
    assert second.exitcode == -signal.SIGKILL
    assert first.is_alive()  # it leaves the word to the rank that died, and waits for its end
    first.kill()  # as torchrun does
    first.join(60)
    assert len(checkpoints(folder)) == 1
    assert run(train, folder=folder) == [0]
    out = folder / artifacts.model_dir("in_place", 0)
    record, expected = (
        artifacts.read_json(run_ / "variant.json", made_by="") for run_ in (out, uninterrupted)
    )
    digests = {"theta": "", "files": {}}  # of sums in another order; losses below
    assert record | digests == expected | digests
    # θ itself is compared in float64 elsewhere: in float32 Adam lifts the keys' biases, whose
    # gradient is 0 but for rounding, to its full rate; no loss sees them.
    for row, expected in zip(losses(out), losses(uninterrupted), strict=True):
        assert row == pytest.approx(expected, rel=1e-5)


def train_as_second():
    """Run the stage as one rank of a group of size 1, which waits for nobody."""
    os.environ |= {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "1"}
    meta_train.ranks.here = lambda: Ranks(rank=1, size=1)
    meta_train.meta_train("in_place", 0)


def test_only_rank_0_writes(folder):
    before = sorted(folder.rglob("*"))
    assert run(train_as_second, folder=folder) == [0]
    assert sorted(folder.rglob("*")) == before


def losses(folder):
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [[float(r[c] or -1) for c in r if c.endswith("_loss")] for r in rows]

"""Several machines give the bytes of one machine's ranks; if one is lost, the others can go on.

A machine is an agent of torchrun with its own address. It may share a folder with the others.
"""

import shutil
import time
from datetime import timedelta

import pytest
import torch

from pipeline import artifacts
from pipeline.learning.meta import maml
from pipeline.processes import ranks
from stages import finetune, meta_train
from tests.support import toy_project
from tests.support.hosts import lose_this_host, on_hosts
from tests.support.processes import run


OUTS = ("theta.safetensors", "history.csv", "variant.json")
STEPS, EVERY = 6, 2

pytestmark = pytest.mark.slow


def train(lost_rank=None, lost_at=None):
    """Run the stage; within step `lost_at` the machine of `lost_rank` is lost."""
    if lost_rank == 1:  # it had not the list of machines: rank 0's torchrun goes on without it
        ranks.GRACE = 0.5  # seconds
    work, steps = maml.meta_gradient, iter(range(STEPS))

    def losing(*args, **options):
        if next(steps) == lost_at and ranks.here().rank == lost_rank:
            lose_this_host()
        return work(*args, **options)

    maml.meta_gradient = losing
    meta_train.meta_train("in_place", 0)


def adapt():
    finetune.finetune("in_place")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tokenizer):
    folder = tmp_path_factory.mktemp("hosts") / "inputs"
    folder.mkdir()
    params = toy_project.toy_params() | {"outer_steps": STEPS, "outer_batch_size": 3}
    params["meta_train"] |= {"validate_every": EVERY}
    toy_project.write_project(folder, tokenizer, params)
    toy_project.write_tasks(folder, "test", 3)
    return folder


@pytest.fixture(scope="module")
def two_ranks(inputs):
    """What two ranks of one machine have trained."""
    folder = shutil.copytree(inputs, inputs.with_name("two_ranks"))
    assert run(train, folder=folder, ranks=2) == [0, 0]
    return folder


@pytest.fixture
def folders(inputs, tmp_path):
    """A folder for each of two machines."""
    return [shutil.copytree(inputs, tmp_path / name) for name in ("first", "second")]


def out(folder):
    return folder / artifacts.model_dir("in_place", 0)


def assert_the_same(folder, expected):
    for name in OUTS:
        assert (out(folder) / name).read_bytes() == (out(expected) / name).read_bytes(), name
    assert not list((folder / artifacts.CHECKPOINTS).iterdir())


def test_machines_that_share_a_folder_give_the_bytes_of_one_machine(folders, two_ranks):
    shared = folders[0]
    ended = on_hosts(train, folders=[shared, shared])
    assert [(host.code, host.errors) for host in ended] == [(0, [])] * 2
    assert_the_same(shared, two_ranks)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_machine_ends_the_run_and_the_rest_goes_on(folders, two_ranks, lost):
    """The folders are not shared: the checkpoint lies where rank 0 was, the out where it is."""
    ended = on_hosts(train, lost, EVERY + 1, folders=folders)
    assert ended[lost].code == -9
    survivor = ended[1 - lost]
    assert survivor.code not in (0, -9)
    (line,) = survivor.errors
    how = {0: "error: rank 1: ended by torchrun", 1: "error: rank 0: lost another rank"}[lost]
    assert line.startswith(how)
    assert survivor.seconds < 60
    assert not any(out(folder).exists() for folder in folders)
    assert len(list((folders[0] / artifacts.CHECKPOINTS).iterdir())) == 1

    ended = on_hosts(going_on, folders=folders[::-1])  # rank 0 is now where no checkpoint is
    assert [(host.code, host.errors) for host in ended] == [(0, [])] * 2
    assert_the_same(folders[1], two_ranks)
    assert not out(folders[0]).exists()
    assert not list((folders[0] / artifacts.CHECKPOINTS).iterdir())


def going_on():
    """Run the stage; it must not begin anew."""
    steps = []
    work = maml.meta_gradient

    def counted(*args, **options):
        steps.append(1)
        return work(*args, **options)

    maml.meta_gradient = counted
    meta_train.meta_train("in_place", 0)
    assert len(steps) == STEPS - EVERY


def test_machines_with_other_inputs_are_refused_in_a_line(folders):
    path = folders[1] / artifacts.PARAMS
    path.write_text(path.read_text().replace("outer_lr: ", "outer_lr: 1"))
    toy_project.write_tasks(folders[1], "valid", 3)
    ended = on_hosts(train, folders=folders)
    for host in ended:
        assert host.code == 1
        (line,) = host.errors
        assert "has not rank 0's params, tasks; give all machines of a run the same" in line
    assert not any(out(folder).exists() for folder in folders)


def test_personas_shared_by_machines_give_the_records_of_one_process(folders, two_ranks):
    for folder in folders:
        shutil.copytree(out(two_ranks), out(folder))
    alone = shutil.copytree(folders[0], folders[0].with_name("alone"))
    assert run(adapt, folder=alone) == [0]
    assert [host.code for host in on_hosts(adapt, folders=folders)] == [0, 0]
    for path in (artifacts.predictions_file("in_place"), artifacts.identity_file("in_place")):
        assert (folders[0] / path).read_bytes() == (alone / path).read_bytes()
        assert not (folders[1] / path).exists()
    assert not list(folders[0].glob(f"{artifacts.CHECKPOINTS}/*"))


def waiting():
    """Rank 1 hangs; rank 0 gives it up."""
    ranks.GRACE = 0.0
    if ranks.here().first:
        begin = time.monotonic()
        with pytest.raises(ranks.TrainingError, match="lost another rank"):
            ranks.here().barrier()
        assert time.monotonic() - begin < 4.5
    else:
        time.sleep(5)


def test_a_rank_that_hangs_is_given_up(tmp_path):
    first, _ = run(waiting, folder=tmp_path, ranks=2, limit=timedelta(seconds=2))
    assert first == 0


def copying():
    """Each of two ranks has what the other gets."""
    here = ranks.here()
    own = {
        "scalar": torch.tensor(3.5 + here.rank, dtype=torch.float64),
        "half": torch.full((2, 3), 1.0 + here.rank, dtype=torch.bfloat16).T,
        "empty": torch.zeros(0, 4, dtype=torch.int64),
    }
    for source in (0, 1):
        copies = here.copy(own if here.rank == source else {}, source)
        assert [*copies] == [*own]
        for name, value in own.items():
            assert copies[name].dtype == value.dtype
            expected = value - here.rank + source if value.numel() else value
            assert torch.equal(copies[name], expected), name


def test_tensors_of_one_rank_reach_the_others_as_they_are(tmp_path):
    assert run(copying, folder=tmp_path, ranks=2) == [0, 0]

"""Values or code are edited while a stage works: DVC would record the new beside the old out."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeline import artifacts
from pipeline.errors import CodeError, ParamsError
from pipeline.params.edit import put, with_values
from pipeline.processes import fingerprint
from stages import (
    base,
    compare,
    download,
    finetune,
    floors,
    meta_train,
    report,
    score,
    tasks,
    train,
)
from stages.p2bot import p2_receiver, p2_selfplay
from tests.faults.toy import params_of_a_toy
from tests.support.processes import run
from tests.support.toy_project import write_params
from tests.unit.shell.test_no_network import LISTS


# Each stage, its arguments, a key that it reads with another value, if any, and its out.
STAGES: tuple[tuple[ModuleType, tuple[Any, ...], str | None, Path], ...] = (
    (download, (), "data.synthetic.pretrain_lines=301", artifacts.RAW),
    (tasks, (), "tasks.seed=5", artifacts.TASKS),
    (base, (), "base.seed=5", artifacts.BASE),
    (train, ("transfer", 0), "train.lr=0.5", artifacts.model_dir("transfer", 0)),
    (train, ("p2bot_transmitter", 0), "variants.p2bot_transmitter.format=plain", Path("none")),
    (meta_train, ("in_place", 0), "inner_lr=0.5", artifacts.model_dir("in_place", 0)),
    (p2_receiver, (0,), "p2bot.receiver.lr=0.5", artifacts.receiver_dir(0)),
    (p2_selfplay, ("p2bot", 0), "p2bot.self_play.lr=0.5", artifacts.model_dir("p2bot", 0)),
    (finetune, ("transfer",), "finetune.lr=0.5", artifacts.predictions_file("transfer")),
    (score, ("transfer",), "score.seed=5", artifacts.details_file("transfer")),
    (finetune, ("in_place",), "generate.seed=5", artifacts.predictions_file("in_place")),
    (score, ("in_place",), "score.bootstrap_samples=101", artifacts.metrics_file("in_place")),
    (floors, (), None, artifacts.FLOORS),
    (compare, (), "compare.seed=5", artifacts.COMPARISON),
    (report, (), "train.lr=0.5", artifacts.REPORT),
)


QUICK = (
    download,
    tasks,
    base,
    score,
    floors,
    compare,
    report,
)  # which have nothing to go on from at toy size


EDITED = "stages/gone.py"


def edit_code() -> None:
    """Let the running program have begun with a file that is not there now."""
    fingerprint._began_with = fingerprint.Code(fingerprint.PROJECT, {EDITED: "its SHA-256"})


def refuses(module: ModuleType, out: Path) -> None:
    """The stage has published nothing, and kept what it can go on from."""
    assert not out.exists(), out
    kept = [*artifacts.CHECKPOINTS.glob(f"{module.__name__.rpartition('.')[2]}-*")]
    assert kept or module in QUICK, module


def edited_then_put_back() -> None:
    """Run every stage with params.yaml edited meanwhile, with its code, and with both as before."""
    text = artifacts.PARAMS.read_text(encoding="utf-8")
    for module, arguments, edit, out in STAGES:
        stage = getattr(module, module.__name__.rpartition(".")[2])
        progress = module.progress

        def editing(*asked, edit=edit, progress=progress, **options):
            put(with_values(text, [edit]))
            return progress(*asked, **options)

        def editing_code(*asked, progress=progress, **options):
            edit_code()
            return progress(*asked, **options)

        module.progress = editing_code
        with pytest.raises(CodeError, match=rf"^{EDITED}: edited .*; put that back and run again"):
            stage(*arguments)
        refuses(module, out)
        fingerprint._began_with = None
        if edit is not None:
            module.progress = editing
            key, _, value = edit.partition("=")
            with pytest.raises(ParamsError, match=r"^params\.yaml: ") as e:
                stage(*arguments)
            said = str(e.value).replace("'", "")
            assert f" is {value} now; put the first back" in said, said
            assert key.endswith(said.split()[1].rpartition(".")[2]), said
            refuses(module, out)
            put(text)
        module.progress = progress
        stage(*arguments)


@pytest.mark.slow
def test_no_stage_publishes_what_values_or_code_made_that_are_gone(tmp_path):
    write_params(tmp_path, params_of_a_toy() | LISTS)
    assert run(edited_then_put_back, folder=tmp_path) == [0]

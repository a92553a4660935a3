"""One trial of `tune`: the stages themselves, run in a folder of their own that holds no test task.

The folder has the trial's `params.yaml`, links to the training and valid tasks and to the base,
and an empty `test.jsonl`. Its name is a fingerprint of all that determines the trial, the code of
its stages included, so a finished trial is not run again, and an interrupted one resumes where its
stages can.
"""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import CodeError, DivergedError, MissingFileError, TrainingError
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.schemas.base import parse, read
from pipeline.evaluation.studies.trials_file import READ
from pipeline.evaluation.studies.tuning import Trial, TrialCost, criterion
from pipeline.model.files.variant_record import VariantFile
from pipeline.outs import FILES, refuse_damaged, require_record, write_record
from pipeline.params import AllParams, FinetuneParams, MetaTrainParams, Settings, TrainParams
from pipeline.params.sections.lists import LISTS
from pipeline.processes.fingerprint import fingerprint, stages_sha256
from pipeline.processes.parent import WITH_STARTER
from stages.shell.console import Terminated


_ROOT = Path(__file__).parents[2]  # of the code
_INPUTS = (*READ.values(),)
_OUTS = ("models", "predictions")  # of the trial's stages
_PATIENCE = 5.0  # seconds for a stage to end by Ctrl-C
_VIEWS: dict[str, type[TrainParams] | type[MetaTrainParams]] = {
    "train": TrainParams,
    "meta_train": MetaTrainParams,
}


@dataclass(frozen=True)
class Run:
    """A variant at one point of its grid."""

    name: str
    method: str  # train | meta_train
    seed: int
    point: dict[str, Any]

    def params(self, settings: Settings) -> AllParams:
        """Return the parameters in force, with this variant alone and the point in its `set`."""
        params = settings.check()
        variant = params.variants[self.name]
        at_point = variant.model_copy(update={"set": {**variant.set, **self.point}})
        lists = {key: [self.name] if s == self.method else [] for s, key in LISTS.items()}
        own = {"seeds": [self.seed], "variants": {self.name: at_point}, "scored": [self.name]}
        return params.model_copy(update=lists | own)

    def folder(self, params: AllParams) -> Path:
        """Return where the trial runs.

        Raises:
            MissingFileError: an input that an earlier stage writes is not there.
            DataError: an input is not as its stage wrote it.
        """
        for path, made_by in zip(_INPUTS, ("tasks", "tasks", "base"), strict=True):
            if not path.exists():
                raise MissingFileError(path, made_by)
            refuse_damaged(path)
        read = {*_VIEWS[self.method].model_fields, *FinetuneParams.model_fields, "variants"}
        parts = {str(path): artifacts.sha256_of(path) for path in _INPUTS}
        parts |= {"method": self.method, "params": params.model_dump_json(include=read)}
        parts |= {"stages": stages_sha256(self.method, "finetune")}  # `tune` imports neither
        return artifacts.CHECKPOINTS / f"tune-{self.name}-{fingerprint(parts)}"


def run(trial: Run, settings: Settings) -> Trial:
    """Train and fine-tune at the trial's point; return what came of it.

    Raises:
        MissingFileError: as `Run.folder`.
        DataError: the same.
        TrainingError: a stage ended by something else than a rate that is too high.
        CodeError: the code, or a file that the stages read, is another one than at the beginning.
    """
    params = trial.params(settings)
    folder = trial.folder(params)
    result = folder / "trial.json"
    if result.is_file():
        content = artifacts.read_json(result, made_by=f"tune {trial.name}")
        score = parse(
            Trial, content, result, f"delete it and run `python -m stages.tune {trial.name}`"
        )
        return score.model_copy(update={"point": trial.point})  # the grid's order, not the file's
    _prepare(folder, params)
    score = _train_and_score(trial, folder, params)
    artifacts.write_sealed(result, score.model_dump())
    _remove(folder, *_OUTS, "data", artifacts.CHECKPOINTS)
    return score


def _remove(folder: Path, *names: Path | str) -> None:
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)


def _refuse_edited(trial: Run, folder: Path, params: AllParams) -> None:
    """Refuse what a stage has made if it began after an edit: the folder's name says otherwise."""
    if trial.folder(params) != folder:
        _remove(folder, *_OUTS)
        raise CodeError(
            f"code, tasks or base were edited while a trial of {trial.name} ran; run the same "
            "command again, which runs this trial anew"
        )


def _prepare(folder: Path, params: AllParams) -> None:
    artifacts.write_json(folder / artifacts.PARAMS, params.model_dump())  # JSON is YAML, too
    artifacts.write_text(folder / artifacts.tasks_file("test"), "")
    for path in _INPUTS:
        link = folder / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
    facts = require_record(artifacts.TASKS)
    said = facts.get(FILES)
    known = said if isinstance(said, dict) else {}
    linked = {path.name: known[path.name] for path in _INPUTS if path.name in known}
    write_record(folder / artifacts.TASKS, artifacts.TASKS_SUMMARY.name, facts, linked)


def _train_and_score(trial: Run, folder: Path, params: AllParams) -> Trial:
    model = folder / artifacts.model_dir(trial.name, trial.seed)
    if not model.is_dir():
        came_through = _stage(folder, trial.method, trial.name, str(trial.seed))
        _refuse_edited(trial, folder, params)
        if not came_through:
            return Trial(point=trial.point, nats=None, epoch=None, cost=None)
    again = f"{trial.method} {trial.name} {trial.seed}"
    record = read(model / "variant.json", VariantFile, made_by=again)
    cost = TrialCost.model_validate(record.model_dump(include=set(TrialCost.model_fields)))
    came_through = _stage(folder, "finetune", trial.name)
    _refuse_edited(trial, folder, params)
    if not came_through:
        return Trial(point=trial.point, nats=None, epoch=None, cost=cost)
    epoch, nats = criterion(predictions_file.read(trial.name, folder / artifacts.PREDICTIONS))
    return Trial(point=trial.point, nats=nats, epoch=epoch, cost=cost)


def _stage(folder: Path, *command: str) -> bool:
    """Run a stage in `folder`; return whether it came through, or diverged."""
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environ = {key: value for key, value in os.environ.items() if key != "DVC_ROOT"}
    with subprocess.Popen(
        [sys.executable, "-m", f"stages.{command[0]}", *command[1:]],
        cwd=folder,
        env=environ | {"PYTHONPATH": os.pathsep.join(paths), WITH_STARTER: "1"},
        stdout=subprocess.DEVNULL,
    ) as process:
        code = _exit_code(process)
    if code not in (0, DivergedError.exit_code):
        raise TrainingError(
            f"stages.{' '.join(command)} ended with exit code {code} in {folder}; "
            "what it said stands above; run the same command to go on"
        )
    return code == 0


def _exit_code(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a stage. Where this command is told to end, the stage ends first, and tidies up.

    The stage prints the error. This command then ends with the same exit code and prints nothing.
    """
    try:
        return process.wait()
    except KeyboardInterrupt as told:
        if not isinstance(told, Terminated):  # as a rule Ctrl-C has also reached the stage
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)
        process.terminate()
        if process.wait() > 0:
            sys.exit(process.returncode)
        raise
    except BaseException:
        process.kill()
        raise

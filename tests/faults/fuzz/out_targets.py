"""What a folder of outs may hold that somebody has changed, or has sent."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import torch

from pipeline import artifacts
from pipeline.errors import PipelineError
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.scoring.details import score_people
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.learning.training.loop import Trained, TrainingProgress
from pipeline.learning.training.variant_run import save, start
from pipeline.model.base.tokenizer import add_special_tokens, train_tokenizer
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.model.network.trained import load_variant
from pipeline.model.pretraining.build import build_base
from pipeline.model.sequences.encoding import Encoder
from pipeline.persona.task.record import PersonaTask
from pipeline.processes.journal import Journal
from pipeline.strict_json import SEAL, strict_loads
from tests.conftest import LINES, a_dialogue
from tests.faults.fuzz.model_targets import WORDS, home
from tests.faults.fuzz.target import Target
from tests.support.bases import a_text, base_params, ignore
from tests.support.prediction_builder import full
from tests.support.predictions_on_disk import write_predictions
from tests.support.scored_records import RECORDS
from tests.support.variant_runs import a_run


OUTS = ("models/in_place/seed-0/variant.json", "models/base/base.json", "models/base/config.json")
OUTS += ("models/in_place/seed-0/theta.safetensors", "models/base/tokenizer.json")


@cache
def _trained() -> Path:
    """A folder with a base, tasks and a variant, as the stages leave them."""
    folder = home() / "trained"
    folder.mkdir()
    with chdir(folder):
        artifacts.write_text(artifacts.PRETRAIN_TEXT, a_text())
        params = base_params(steps=2, context=256)
        build_base(params, artifacts.PRETRAIN_TEXT, artifacts.BASE, advance=ignore)
        for split in artifacts.SPLITS:
            artifacts.write_records(artifacts.tasks_file(split), [_a_task(split)])
        run = a_run()
        learner = start(run, "sdpa", "float32")
        save(run, learner, Trained(learner.theta, TrainingProgress()), {})
    return folder


def _a_task(split: str) -> PersonaTask:
    return PersonaTask(task_id="a", split=split, dialogues=[a_dialogue(0), a_dialogue(1)])  # type: ignore[arg-type]


def _outs() -> Sequence[bytes]:
    small = (path for path in OUTS)
    return [bytes([n]) + (_trained() / path).read_bytes() for n, path in enumerate(small)]


def _seal(path: Path) -> None:
    """Seal a JSON object anew; anything else stays as it is."""
    try:
        values = strict_loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    if isinstance(values, dict) and SEAL in values:
        artifacts.write_sealed(path, {key: values[key] for key in values if key != SEAL})


def _record(content: bytes, place: Path) -> None:
    """Change one file of the outs; digests that hold it are made to fit, as an attacker would."""
    name = OUTS[content[0] % len(OUTS)] if content else OUTS[0]
    shutil.copytree(_trained(), place / "outs")
    with chdir(place / "outs"):
        Path(name).write_bytes(content[1:])
        _seal(Path(name))
        record = Path(OUTS[0])
        if name != OUTS[0]:
            values = artifacts.read_json(record, made_by="train in_place 0")
            values["base"] = artifacts.sha256_of(artifacts.BASE)
            values["tokenizer"] = artifacts.sha256_of(artifacts.BASE / "tokenizer.json")
            values["theta"] = artifacts.sha256_of(record.with_name("theta.safetensors"))
            artifacts.write_sealed(record, values)
        learner = load_variant("in_place", 0)
        task = artifacts.read_records(artifacts.tasks_file("valid"), PersonaTask, made_by="tasks")
        for dialogue in task[0].dialogues:
            learner.encoder.encode(dialogue)


@contextmanager
def _root(place: Path) -> Iterator[None]:
    with patch.dict(os.environ, {"DVC_ROOT": str(place)}):
        yield


SAVED = {"theta.w": torch.arange(6.0).reshape(2, 3), "optimizer.0.step": torch.tensor(3.0)}
STATE = {"step": 3, "optimizer": {"groups": []}}


def _checkpoints() -> Sequence[bytes]:
    place = home() / "checkpoint"
    place.mkdir(exist_ok=True)
    with _root(place):
        checkpoint = Checkpoint("train-x-0", {})
        checkpoint.save(SAVED, STATE)
        return [checkpoint.path.read_bytes()]


def _checkpoint(content: bytes, place: Path) -> None:
    with _root(place):
        checkpoint = Checkpoint("train-x-0", {})
        checkpoint.path.parent.mkdir(parents=True)
        checkpoint.path.write_bytes(content)
        saved = checkpoint.load()
    assert saved is not None
    tensors, state = saved
    assert state == STATE
    assert tensors.keys() == SAVED.keys()
    assert all(torch.equal(tensors[name], SAVED[name]) for name in SAVED)


def _journals() -> Sequence[bytes]:
    place = home() / "journal"
    place.mkdir(exist_ok=True)
    with _root(place):
        journal = Journal(Prediction, "finetune-x", {})
        journal.path.unlink(missing_ok=True)
        journal.append("one", [full()])
        journal.append("two", [full(), full()])
        return [journal.path.read_bytes()]


def _journal(content: bytes, place: Path) -> None:
    with _root(place):
        journal = Journal(Prediction, "finetune-x", {})
        journal.path.parent.mkdir(parents=True)
        journal.path.write_bytes(content)
        done = journal.load()
    right = {"one": [full()], "two": [full(), full()]}
    assert all(right.get(job) == records for job, records in done.items())


SPLIT = b"\n--identity--\n"


def _predictions() -> Sequence[bytes]:
    place = home() / "predictions"
    place.mkdir(exist_ok=True)
    write_predictions(place, "x", RECORDS)
    parts = [(place / f"predictions/x.{suffix}").read_bytes() for suffix in ("jsonl", "json")]
    return [b"\0" + SPLIT.join(parts), b"\1" + SPLIT.join(parts)]


def _score(content: bytes, place: Path) -> None:
    """Score a stranger's predictions; if the first byte is odd, their digest is made to fit."""
    records, _, identity = content[1:].partition(SPLIT)
    (place / "predictions").mkdir()
    with chdir(place):
        artifacts.predictions_file("x").write_bytes(records)
        artifacts.identity_file("x").write_bytes(identity)
        if content[:1] == b"\1":
            _seal(artifacts.identity_file("x"))
            try:
                values = artifacts.read_json(artifacts.identity_file("x"), made_by="x")
            except PipelineError:
                values = {}
            values["sha256"] = artifacts.sha256_of(artifacts.predictions_file("x"))
            values["records"] = records.count(b"\n")
            artifacts.write_sealed(artifacts.identity_file("x"), values)
        with predictions_file.people("x") as people:
            scores = score_people(people.overview, people, Bootstrap(20, 0))
        artifacts.json_text(scores.metrics.content())
        artifacts.json_text(scores.details.content())


def _tasks() -> Sequence[bytes]:
    return [_a_task("valid").model_dump_json().encode() + b"\n"]


@cache
def _encoder() -> Encoder:
    tokenizer = train_tokenizer(LINES * 4, 300)
    add_special_tokens(tokenizer)
    return Encoder(tokenizer, context=256)


def _read_tasks(content: bytes, place: Path) -> None:
    path = place / "valid.jsonl"
    path.write_bytes(content)
    for task in artifacts.read_records(path, PersonaTask, made_by="tasks"):
        for dialogue in task.dialogues:
            _encoder().encode(dialogue)


TARGETS = (
    Target("outs", _outs, _record, WORDS, heavy=True),
    Target("checkpoint", _checkpoints, _checkpoint),
    Target("journal", _journals, _journal, WORDS),
    Target("predictions", _predictions, _score, WORDS, heavy=True),
    Target("tasks", _tasks, _read_tasks, WORDS),
)

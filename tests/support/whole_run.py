"""A run of two variants, predicted by hand, scored and compared by the stages."""

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.kept.documents import pages
from pipeline.evaluation.kept.keep import keep
from pipeline.model.files.variant_record import read_variant
from pipeline.params import MetaTrainParams, Settings, TrainParams
from pipeline.params.stated import training
from pipeline.persona.task.record import PersonaTask
from stages.commands.table import table
from stages.compare import compare
from stages.report import report
from stages.score import score
from tests.support import training_runs
from tests.support.details_builder import FLOORS
from tests.support.one_run import MEASURED_FROM
from tests.support.prediction_builder import full
from tests.support.predictions_on_disk import write_predictions
from tests.support.toy_project import toy_params, write_params, write_tasks


NAMES = ("in_place", "transfer")
FACTS = {"source": "folder", "num_parameters": 1234, "pretraining": None}


def records(shift):
    """The first reply of each person's first dialogue."""
    for split in ("valid", "test"):
        tasks = artifacts.read_records(artifacts.tasks_file(split), PersonaTask, made_by="tasks")
        for number, task in enumerate(tasks):
            dialogue = task.dialogues[0]
            for epoch in (0, 1):
                yield full(
                    task_id=task.task_id,
                    dialogue_id=dialogue.dialogue_id,
                    reference=dialogue.turns[0].reply,
                    split=split,
                    epoch=epoch,
                    nll=9.0 + number + shift,
                )


def predict(folder, name, shift=0.0):
    """Predictions as `finetune` writes them from what is in the folder."""
    write_predictions(
        folder,
        name,
        records(shift),
        tasks=artifacts.sha256_of(artifacts.TASKS),
        base=artifacts.sha256_of(artifacts.BASE),
        models={"0": artifacts.sha256_of(artifacts.model_dir(name, 0))},
        made_with=read_variant(name, 0).made_with(),
    )


def train(name):
    method, view = ("train", TrainParams) if name == "transfer" else ("meta_train", MetaTrainParams)
    digests = {"base": artifacts.sha256_of(artifacts.BASE), "theta": "d" * 64}
    digests["tokenizer"] = artifacts.sha256_of(artifacts.BASE / "tokenizer.json")
    params = training(Settings.load().view(view), adapters=False)
    run = training_runs.content(name=name, method=method, params=params, **digests)
    artifacts.write_sealed(artifacts.model_dir(name, 0) / "variant.json", run)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A run of two variants, scored and compared."""
    monkeypatch.chdir(tmp_path)
    params = toy_params()
    params["finetune"]["k"] = []  # as the records have none
    write_params(tmp_path, params)
    for split in artifacts.SPLITS:
        write_tasks(tmp_path, split, 3)
    sizes = {split: {"personas": 3} for split in artifacts.SPLITS}
    artifacts.write_json(artifacts.TASKS_SUMMARY, {"splits": sizes})
    artifacts.write_json(artifacts.BASE_FACTS, FACTS)
    artifacts.write_json(artifacts.BASE / "tokenizer.json", {})
    inputs = {"tasks": artifacts.sha256_of(artifacts.TASKS)}
    inputs["base"] = artifacts.sha256_of(artifacts.BASE)
    for name in NAMES:
        train(name)
        predict(tmp_path, name)
        score(name)
    artifacts.write_sealed(artifacts.FLOORS, FLOORS | {"made_from": MEASURED_FROM | inputs})
    compare()
    report()
    return tmp_path


def refused(command, *expected):
    """A command's error, which has all of these words; one line."""
    with pytest.raises(DataError) as caught:
        command()
    line = str(caught.value)
    assert all(word in line for word in expected), line
    assert "\n" not in line


def ask(folder, command):
    """Run a stage; or what reads its files by a word: keep, results, compare."""
    if command == "keep":
        keep(folder, folder / "studies/mine")
    elif command == "results":
        (folder / pages.TEMPLATE).parent.mkdir(exist_ok=True)
        (folder / pages.TEMPLATE).write_text("")
        pages.results(folder)
    elif command == "compare":
        table(compare="HEAD")
    else:
        command()

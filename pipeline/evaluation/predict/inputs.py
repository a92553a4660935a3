"""What a command that fine-tunes starts from: parameters, tasks, and the journal to resume from."""

from typing import Any

from pipeline import artifacts
from pipeline.errors import ModelError
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.files.variant_record import read_variant, refuse_other_inputs
from pipeline.params import FinetuneParams, Settings
from pipeline.params.methods import made_by
from pipeline.persona.task.record import PersonaTask
from pipeline.processes.journal import Journal


def tasks_of(split: str) -> list[PersonaTask]:
    """Read a split's personas."""
    return artifacts.read_records(artifacts.tasks_file(split), PersonaTask, made_by="tasks")


def finetune_params(variant: str) -> FinetuneParams:
    """Return the parameters of fine-tuning, with the variant's own `set` in force.

    Raises:
        ModelError: the training seeds have different `set`s; or a model was trained from another
            base, or from other tasks, than are there.
    """
    settings = Settings.load()
    seeds = settings.view(FinetuneParams).seeds
    records = [read_variant(variant, seed, made_by=made_by(variant, seed)) for seed in seeds]
    for record in records:
        refuse_other_inputs(record, tasks=True)
    sets = [record.axes.set for record in records]
    if any(other != sets[0] for other in sets):
        raise ModelError(f"models/{variant}: seeds were trained with different `set`; train again")
    params = settings.view(FinetuneParams, sets[0])
    return params.model_copy(update={"finetune": params.finetune.of(variant)})


def made_from(variant: str, params: FinetuneParams) -> dict[str, Any]:
    """Return what determines a variant's predictions besides the code: values, and digests."""
    return {
        "params": params.model_dump(mode="json"),
        "tasks": artifacts.sha256_of(artifacts.TASKS),
        "base": artifacts.sha256_of(artifacts.BASE),
        "models": {
            str(seed): artifacts.sha256_of(artifacts.model_dir(variant, seed))
            for seed in params.seeds
        },
    }


def journal(command: str, variant: str, params: FinetuneParams) -> Journal[Prediction]:
    """Return the command's journal; its key is made from models, base, tasks and parameters."""
    parts = {key: artifacts.json_text(value) for key, value in made_from(variant, params).items()}
    return Journal(Prediction, f"{command}-{variant}", parts)

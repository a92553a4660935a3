"""What a command that fine-tunes starts from: parameters, tasks, and the journal to resume from."""

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline import artifacts
from pipeline.errors import ModelError, one_line
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.files.variant_record import VariantFile, read_variant, refuse_other_inputs
from pipeline.outs import Snapshot, refuse_damaged, require_record
from pipeline.params import FinetuneParams, Settings
from pipeline.params.methods import made_by
from pipeline.params.stated import difference
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
    _refuse_different_training(records)
    params = settings.view(FinetuneParams, sets[0])
    return params.model_copy(update={"finetune": params.finetune.of(variant)})


def _refuse_different_training(records: Sequence[VariantFile]) -> None:
    """Refuse to pool models of training seeds that were trained with different parameters."""
    first = records[0]
    for other in records[1:]:
        if found := difference(first.made_with(), other.made_with()):
            key, mine, its = found
            again = [f"{one.method} {one_line(one.name)} {one.seed}" for one in (first, other)]
            raise ModelError(
                f"models/{one_line(first.name)}: seed {first.seed} was trained with {key} "
                f"{one_line(mine)}, seed {other.seed} with {one_line(its)}; run "
                f"`python -m stages.{again[0]}` or `python -m stages.{again[1]}` (or `dvc repro`), "
                "for the one that is not as params.yaml says"
            )


def read_by(variant: str, seeds: Iterable[int]) -> Snapshot:
    """Return the digests of what fine-tuning reads; `refuse_changed` before its out is written.

    Raises:
        DataError: an out among them is damaged.
    """
    models = [artifacts.model_dir(variant, seed) for seed in seeds]
    return Snapshot([artifacts.TASKS, artifacts.BASE, *models])


def made_from(variant: str, params: FinetuneParams) -> dict[str, Any]:
    """Return what determines a variant's predictions besides the code: values, and digests."""
    for seed in params.seeds:
        refuse_damaged(artifacts.model_dir(variant, seed))
    return {
        "params": params.model_dump(mode="json"),
        "tasks": artifacts.sha256_of(artifacts.TASKS),
        "base": artifacts.sha256_of(artifacts.BASE),
        "models": {
            str(seed): artifacts.sha256_of(artifacts.model_dir(variant, seed))
            for seed in params.seeds
        },
        "made_with": _made_with(variant, params.seeds[0]),
    }


def _made_with(variant: str, seed: int) -> dict[str, Any]:
    """Return what made tasks, base and the variant's models, by key of params.yaml."""
    summary, facts = require_record(artifacts.TASKS), require_record(artifacts.BASE)
    found: dict[str, Any] = {}
    for one in (summary.get("source"), summary, facts):
        said = one.get("params") if isinstance(one, dict) else None
        found |= said if isinstance(said, dict) else {}
    return found | read_variant(variant, seed, made_by=made_by(variant, seed)).made_with()


def journal(command: str, variant: str, params: FinetuneParams) -> Journal[Prediction]:
    """Return the command's journal; its key is made from models, base, tasks and parameters."""
    parts = {key: artifacts.json_text(value) for key, value in made_from(variant, params).items()}
    return Journal(Prediction, f"{command}-{variant}", parts)

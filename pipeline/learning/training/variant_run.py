"""One training run of a variant from records to files: what its stages share.

`start` builds the learner, `load_tasks` reads the tasks, `VariantRun.checkpoint` keeps the run's
state, `save` writes `models/VARIANT/seed-SEED/`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import DataError, TrainingError
from pipeline.learning.task_loss.episodes import EncodedTask, encode_tasks
from pipeline.learning.training.history import history_csv
from pipeline.learning.training.loop import Trained, TrainingProgress
from pipeline.model.base.load import load_base
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.model.files.variant_record import (
    OWN,
    THETA_FILE,
    VariantFile,
    read_by_training,
    under_keys,
)
from pipeline.model.network.language_model import Attention, Precision
from pipeline.model.network.learner import Learner, build_learner, save_theta
from pipeline.model.sequences.encoding import Window
from pipeline.model.sequences.fits import require_context
from pipeline.outs import VARIANT, Snapshot, write_record
from pipeline.params import Adapters, StageParams, Variant
from pipeline.params.stated import training
from pipeline.persona.task.record import PersonaTask
from pipeline.processes.device import best_device, use_threads


@dataclass(frozen=True)
class VariantRun:
    """Which run this is: stage, variant, seed and the values in force."""

    method: str  # the stage's name
    name: str
    seed: int
    variant: Variant
    adapters: Adapters
    params: StageParams
    inputs: Mapping[str, Path] = field(default_factory=dict)  # models that it reads, by their part
    before: Mapping[str, Any] = field(default_factory=dict)  # what those models were made with

    @cached_property
    def read(self) -> Snapshot:
        """What the run reads, as it was before training began."""
        return read_by_training(models=self.inputs.values())

    @property
    def digests(self) -> dict[str, Any]:
        """The SHA-256 of what the run reads, under the record's keys."""
        read = self.read.digests
        models = {part: read[folder] for part, folder in self.inputs.items() if folder in read}
        return {**under_keys(self.read), **models}

    def made_after(self, before: Mapping[str, Any]) -> "VariantRun":
        """Return the run with what its models were made with; what it has read stays known."""
        run = replace(self, before=before)
        run.__dict__["read"] = self.read
        return run

    def checkpoint(self) -> Checkpoint:
        """Return the run's checkpoint, keyed by values, inputs and code."""
        parts = {
            "params": self.params.model_dump_json(),
            "variant": self.variant.model_dump_json(),
            "tasks": artifacts.sha256_of(artifacts.TASKS),
            "base": self.digests["base"],
        }
        parts |= {str(path): self.digests[part] for part, path in self.inputs.items()}
        return Checkpoint(f"{self.method}-{self.name}-{self.seed}", parts)


def read_tasks(split: str) -> list[PersonaTask]:
    """Read one split's tasks."""
    return artifacts.read_records(artifacts.tasks_file(split), PersonaTask, made_by="tasks")


def load_tasks(split: str, learner: Learner) -> list[EncodedTask]:
    """Read and encode one split's tasks."""
    return encode_tasks(read_tasks(split), learner.encoder)


def require_context_to_score(learner: Learner) -> None:
    """Refuse, before training, what `finetune` could not score after it.

    Raises:
        ModelError: a valid or test dialogue, or a candidate of it, does not fit the context.
    """
    for split in ("valid", "test"):
        require_context(read_tasks(split), learner.encoder)


def start(run: VariantRun, attention: Attention, precision: Precision) -> Learner:
    """Build the run's learner on this machine's device.

    Raises:
        TrainingError: the variant was trained by the other method, which this would replace.
    """
    _refuse_other_method(run)
    _ = run.read  # before anything of it is loaded
    learner = build_learner(
        run.variant,
        run.adapters,
        load_base(artifacts.BASE),
        seed=run.seed,
        attention=attention,
        device=best_device(),
    )
    if learner.model.precision == "float32":  # a φ that is kept in bfloat16 has set it
        learner.model.precision = precision
    use_threads(sum(value.numel() for value in learner.parameters(learner.theta).values()))
    return learner


def _refuse_other_method(run: VariantRun) -> None:
    """Compare with the stage that an earlier run has recorded, under an old schema perhaps."""
    folder = artifacts.model_dir(run.name, run.seed)
    path = folder / "variant.json"
    if not path.is_file():
        return
    made_by = f"{run.method} {run.name} {run.seed}"
    method = None
    with suppress(DataError):  # an edited or damaged one is written anew
        method = artifacts.read_json(path, made_by=made_by).get("method")
    if method not in (None, run.method):
        raise TrainingError(
            f"{folder} was made by stage {method}, and params.yaml may list it under another "
            f"method now; run that stage, or delete the folder to have {run.method} write it"
        )


def save(
    run: VariantRun,
    learner: Learner,
    trained: Trained,
    tasks: Mapping[str, Sequence[EncodedTask]],
    inner_rates: Mapping[str, float | None] | None = None,
) -> Path:
    """Write `models/VARIANT/seed-SEED/` as a whole; return the folder.

    Args:
        run: which run.
        learner: f, as `start` returned it.
        trained: θ and how it came about.
        tasks: of each split that the run has read.
        inner_rates: what fine-tuning must know (`InnerLoop.rates_for_finetuning`).

    Raises:
        DataError: a file that is none of a run's came there during training, or an input was
            replaced; the checkpoint stays.
    """
    folder = artifacts.model_dir(run.name, run.seed)
    artifacts.refuse_foreign(folder, own=OWN)
    run.read.refuse_changed()
    with artifacts.atomic_path(folder) as partial:
        partial.mkdir()
        save_theta(trained.theta, partial)
        theta = artifacts.sha256_of(partial / THETA_FILE)
        record = _record(run, learner, trained.progress, tasks, inner_rates, theta)
        artifacts.write_text(partial / "history.csv", history_csv(trained.progress.history))
        write_record(partial, VARIANT, record.content())
    return folder


def _record(
    run: VariantRun,
    learner: Learner,
    progress: TrainingProgress,
    tasks: Mapping[str, Sequence[EncodedTask]],
    inner_rates: Mapping[str, float | None] | None,
    theta: str,
) -> VariantFile:
    sizes = {name: value.numel() for name, value in learner.parameters(learner.theta).items()}
    return VariantFile(
        name=run.name,
        method=run.method,
        seed=run.seed,
        axes=run.variant,
        adapters=run.adapters if run.variant.adapters else None,
        trained_parameters=sum(sizes[name] for name in learner.theta),
        all_parameters=sum(sizes.values()),
        dialogues={split: len(_dialogues(encoded)) for split, encoded in tasks.items()},
        over_context={
            split: sum(len(windows) > 1 for windows in _dialogues(encoded))
            for split, encoded in tasks.items()
        },
        inner_rates=None if inner_rates is None else dict(inner_rates),
        steps=progress.step,
        best_step=progress.best_step,
        replies=progress.replies,
        outer_replies=progress.outer_replies,
        tokens=progress.tokens,
        operations=progress.operations,
        **run.digests,
        theta=theta,
        params={**run.before, **training(run.params, adapters=run.variant.adapters)},
    )


def _dialogues(tasks: Sequence[EncodedTask]) -> list[tuple[Window, ...]]:
    return [windows for task in tasks for windows in task.dialogues]

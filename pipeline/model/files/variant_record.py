"""`variant.json`: the record of one training run, written beside its tensors."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pipeline import artifacts
from pipeline.errors import MissingFileError, ModelError, one_line
from pipeline.outs import Snapshot, refuse_damaged, require_record
from pipeline.params import Adapters, Variant
from pipeline.persona.task.record import Split


THETA_FILE = "theta.safetensors"
OWN = (THETA_FILE, "variant.json", "history.csv")  # all that a run writes into its folder
TOKENIZER_FILE = "tokenizer.json"
SELF_PLAY = "p2_selfplay"
METHODS = ("train", "meta_train", SELF_PLAY)  # the stages that write a variant


class TrainingRun(BaseModel):
    """What a training run was.

    It holds no time, host or date: `steps`, `replies`, `tokens` and `operations` say what a run
    cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    method: str  # train | meta_train | p2_selfplay
    seed: int
    axes: Variant
    adapters: Adapters | None  # null: the variant has none
    trained_parameters: int
    all_parameters: int
    dialogues: dict[str, int]  # of each split that training read
    over_context: dict[str, int]  # of them, longer than the context: split into windows
    inner_rates: dict[str, float | None] | None  # tensors that adapt: learned rates
    steps: int  # outer steps run
    best_step: int  # the step whose parameters were kept
    replies: int  # replies in any loss, inner or outer
    outer_replies: int  # replies in the loss that moved θ
    tokens: int  # through the network, forward
    operations: int  # multiply-adds × 2 of the matrix products, estimated (docs/paper.md)


class VariantFile(TrainingRun):
    """All that later stages need to rebuild a trained variant and to account for it.

    The SHA-256 are of what the run read and wrote: θ is of no use elsewhere.
    """

    base: str  # models/base
    tokenizer: str  # models/base/tokenizer.json
    tasks: dict[Split, str]  # of the splits that training read
    theta: str  # theta.safetensors
    # What the stage read of params.yaml, by key; absent from files of an older version.
    params: dict[str, Any] | None = None
    files: dict[str, str] | None = None  # SHA-256 of the files beside it, as `outs` writes them
    # Self-play's alone, of the folders that `models_read` names:
    transmitter: str | None = Field(default=None, validate_default=True)
    receiver: str | None = Field(default=None, validate_default=True)

    @field_validator("transmitter", "receiver")
    @classmethod
    def _of_self_play(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Refuse self-play that does not say which models it began with."""
        if (value is not None) != (info.data.get("method") == SELF_PLAY):
            raise ValueError(f"{SELF_PLAY} alone reads models, and says which")
        return value

    def content(self) -> dict[str, Any]:
        """Return what the file holds: keys of self-play in its records alone."""
        absent = {"transmitter", "receiver"} if self.method != SELF_PLAY else set()
        absent |= {key for key in ("params", "files") if getattr(self, key) is None}
        return self.model_dump(exclude=absent)

    def made_with(self) -> dict[str, Any]:
        """Return the parameters that made θ, as `pipeline/params/stated.py` compares them."""
        if self.params is None:
            return {}
        axes = self.axes.model_dump(mode="json")
        return {"method": self.method, f"variants.{self.name}": axes, **self.params}

    def models(self) -> dict[Path, str]:
        """Return the digests of the models that the run began with, by folder; most have none."""
        folders = models_read(self.name, self.seed)
        said = {folders[key]: getattr(self, key) for key in folders}
        return {folder: digest for folder, digest in said.items() if digest is not None}


def read_variant(name: str, seed: int, *, made_by: str | None = None) -> VariantFile:
    """Read a trained variant's `variant.json`.

    Args:
        name: the variant's name.
        seed: the seed of its training.
        made_by: the stage that writes the file, with its arguments. The errors name it. Null: the
            errors name every stage that trains variants.

    Raises:
        MissingFileError: the variant has not been trained.
        ModelError: the file is not a variant.json of this version.
    """
    folder = artifacts.model_dir(name, seed)
    path = folder / "variant.json"
    made_by = made_by or "` or `".join(f"{method} {name} {seed}" for method in METHODS)
    values = artifacts.read_json(path, made_by=made_by)
    try:
        record = VariantFile.model_validate(values)
    except ValidationError as error:
        raise ModelError(
            f"{path}: not a variant.json of this version; run stage `{made_by}` again"
        ) from error
    if (record.name, record.seed) != (name, seed):
        raise ModelError(
            f"{folder}: holds variant {one_line(record.name)!r} of seed {record.seed}; "
            f"run stage `{made_by}` again"
        )
    return record


def models_read(name: str, seed: int) -> dict[str, Path]:
    """Return the folders of the models that self-play of a variant begins with, by their keys."""
    return {
        "transmitter": artifacts.transmitter_dir(name, seed),
        "receiver": artifacts.receiver_dir(seed),
    }


def read_by_training(
    splits: Iterable[str] = ("train", "valid"), models: Iterable[Path] = ()
) -> Snapshot:
    """Return what training reads, as it is now: base, tokenizer, tasks, other models.

    Raises:
        MissingFileError: one of them is not there, or the base has no base.json.
        DataError: one of them is not as its stage wrote it.
    """
    tasks = [artifacts.tasks_file(split) for split in splits]
    for path, made_by in ((artifacts.BASE, "base"), *((path, "tasks") for path in tasks)):
        if not path.exists():
            raise MissingFileError(path, made_by)
    require_record(artifacts.BASE)
    return Snapshot([artifacts.BASE, artifacts.BASE / TOKENIZER_FILE, *tasks, *models])


def under_keys(read: Snapshot) -> dict[str, Any]:
    """Return the digests of base, tokenizer and tasks under the record's keys."""
    files = {split: artifacts.tasks_file(split) for split in artifacts.SPLITS}
    return {
        "base": read.digests[artifacts.BASE],
        "tokenizer": read.digests[artifacts.BASE / TOKENIZER_FILE],
        "tasks": {s: read.digests[path] for s, path in files.items() if path in read.digests},
    }


def digests_of(record: VariantFile) -> dict[Path, str]:
    """Return the digests of what a training run read and of the θ that it wrote, by path."""
    digests = {artifacts.BASE: record.base, artifacts.BASE / TOKENIZER_FILE: record.tokenizer}
    digests |= {artifacts.tasks_file(split): digest for split, digest in record.tasks.items()}
    digests |= record.models()
    return digests | {artifacts.model_dir(record.name, record.seed) / THETA_FILE: record.theta}


def refuse_other_inputs(record: VariantFile, *, tasks: bool) -> None:
    """Refuse a variant that was trained from another base, or from other tasks, than are there.

    Self-play is also compared with the transmitter and the receiver, as far as they are there.

    Args:
        record: its record.
        tasks: whether tasks, transmitter and receiver matter to what is done with it.

    Raises:
        ModelError: names the variant, both digests, and the command to run.
        DataError: one of them is not as its stage wrote it.
    """
    now = under_keys(read_by_training(record.tasks if tasks else ()))
    pairs = [(artifacts.BASE, record.base, now["base"])]
    pairs.append((artifacts.BASE / TOKENIZER_FILE, record.tokenizer, now["tokenizer"]))
    for split, digest in now["tasks"].items():
        pairs.append((artifacts.tasks_file(split), record.tasks[split], digest))
    for path, digest in record.models().items() if tasks else ():
        if path.is_dir():
            refuse_damaged(path)
            pairs.append((path, digest, artifacts.sha256_of(path)))
    folder = artifacts.model_dir(record.name, record.seed)
    for path, then, today in pairs:
        if then != today:
            raise ModelError(
                f"{folder}: trained from a {path} of SHA-256 {one_line(then)[:12]}…, "
                f"now it is {today[:12]}…; {_again(record)}"
            )


def refuse_other_theta(record: VariantFile, folder: Path) -> None:
    """Refuse a θ that is not the one which the record was written with.

    Raises:
        ModelError: names the file, both digests, and the command to run.
    """
    path = folder / THETA_FILE
    if path.is_file() and (digest := artifacts.sha256_of(path)) != record.theta:
        raise ModelError(
            f"{path}: damaged, or of another run: its SHA-256 is {digest[:12]}…, not "
            f"{one_line(record.theta)[:12]}… as `variant.json` beside it says; {_again(record)}"
        )


def _again(record: VariantFile) -> str:
    command = f"python -m stages.{record.method} {record.name} {record.seed}"
    return f"run `{one_line(command)}` (or `dvc repro`)"

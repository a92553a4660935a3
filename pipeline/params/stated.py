"""Which parameters made a number: stages record them, readers compare them with those in force.

Each stage writes what it read of params.yaml into its out: keys of params.yaml with their values,
a variant's own `set` in force. `variants.NAME` are the axes, `method` is the training stage. So
whoever shows numbers can tell whether params.yaml still says what they were made with.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import DataError, one_line, public
from pipeline.params.inputs import PATH_KEYS
from pipeline.params.sections.lists import MethodsParams
from pipeline.params.sections.section import StageParams
from pipeline.params.settings import Settings
from pipeline.params.views import (
    BaseParams,
    CompareParams,
    DownloadParams,
    FinetuneParams,
    MetaTrainParams,
    ReceiverParams,
    ScoreParams,
    SelfPlayParams,
    TasksParams,
    TrainParams,
)


Values = Mapping[str, Any]  # by key of params.yaml

_TRAINING: Mapping[str, type[TrainParams] | type[MetaTrainParams] | type[SelfPlayParams]] = {
    "train": TrainParams,
    "meta_train": MetaTrainParams,
    "p2_selfplay": SelfPlayParams,
}
_STAGES = {  # that read a key for all variants together
    **{"data": "download", "tasks": "tasks", "base": "base", "compare": "compare"},
    "p2bot.receiver": "p2_receiver SEED",
}
_SCORING = {"seeds": "finetune", "finetune": "finetune", "generate": "finetune", "score": "score"}
_DIGESTS = ("sha256", "pretrain_sha256")  # of `data`: they say which files its paths mean


@dataclass(frozen=True)
class Made:
    """A file, and what it was made with.

    Attributes:
        file: which.
        values: as it says; a key that it does not name is not compared.
        variant: whose numbers it holds; null: those of several.
        seed: of a training run.
        command: what makes it, as `shots transfer`, where no stage does.
    """

    file: Path
    values: Values
    variant: str | None = None
    seed: int | None = None
    command: str | None = None


def recorded(params: StageParams) -> dict[str, Any]:
    """Return what a stage writes of its view: values by key, without paths of this machine."""
    values = portable(params.model_dump(mode="json", by_alias=True))
    if "data" in values:
        values["data"] = {k: v for k, v in values["data"].items() if k not in _DIGESTS}
    return values


def portable(params: Values) -> dict[str, Any]:
    """Return parameters by section without paths of this machine, as outs have and pages show them.

    What is shown beside numbers must be what their outs say: a path that was edited since would
    be taken for that of the data or the base that made them.
    """
    values = dict(params)
    for key in PATH_KEYS:
        head, *rest = key.split(".")
        if head in values:
            values[head] = _at(values[head], rest)
    return values


def with_digests(params: DownloadParams, read: Mapping[str, str | None]) -> dict[str, Any]:
    """Return what `download` writes of its view, with the SHA-256 of the files that it has read.

    Paths are not recorded, so these tell another corpus of the same name apart.
    """
    values = recorded(params)
    return values | {"data": values["data"] | dict(read)}


def _at(node: Any, path: list[str]) -> Any:
    """Return the values with the one at a path made portable."""
    if not path:
        return _without_folders(node)
    return {**node, path[0]: _at(node[path[0]], path[1:])} if path[0] in node else node


def _without_folders(value: str | None) -> str | None:
    """Return a source as an out may hold it: of a path its last name, of a URL what is public.

    So a corpus that lies elsewhere changes no out; its digest is recorded beside it.
    """
    if value is None:
        return None
    if "://" in value:
        return public(value)
    is_path = value.startswith(("/", "~", ".", "\\")) or ":" in value
    return value.replace("\\", "/").rstrip("/").rpartition("/")[2] if is_path else value


def training(params: StageParams, *, adapters: bool) -> dict[str, Any]:
    """Return what a training stage records; Φ's section matters to variants with Φ alone."""
    values = recorded(params)
    return values if adapters else {k: v for k, v in values.items() if k != "adapters"}


def in_force(settings: Settings, variant: str | None) -> dict[str, Any]:
    """Return what a run with these settings would record for a variant, or for all of them.

    Raises:
        ParamsError: as `Settings.view` and `Settings.variant`.
    """
    shared = (DownloadParams, TasksParams, BaseParams, ScoreParams)
    values = {key: value for view in shared for key, value in recorded(settings.view(view)).items()}
    asked = settings.view(DownloadParams).data
    given = {key: getattr(asked, key) for key in _DIGESTS}
    values["data"] |= {key: digest for key, digest in given.items() if digest is not None}
    if variant is None:
        compare = settings.view(CompareParams).compare
        return values | {"compare": compare.model_dump(mode="json")}
    axes = settings.variant(variant)
    tuned = settings.view(FinetuneParams, axes.set)
    tuned = tuned.model_copy(update={"finetune": tuned.finetune.of(variant)})
    values |= {f"variants.{variant}": axes.model_dump(mode="json"), **recorded(tuned)}
    for method in settings.view(MethodsParams).lists_with(variant):
        view = settings.view(_TRAINING[method], axes.set)
        values |= {"method": method, **training(view, adapters=axes.adapters)}
        if method == "p2_selfplay":
            values |= _before_self_play(settings, variant)
    return values


def _before_self_play(settings: Settings, variant: str) -> dict[str, Any]:
    transmitter = artifacts.transmitter_dir(variant, 0).parent.name
    own = settings.view(TrainParams, settings.variant(transmitter).set)
    return recorded(settings.view(ReceiverParams)) | {"train": recorded(own)["train"]}


def difference(made: Values, now: Values) -> tuple[str, object, object] | None:
    """Return the first key that two records have with different values, and both values.

    A key that only one of them has is a parameter of another version, and not compared.
    """
    for key, then in made.items():
        if key not in now:
            continue
        today = now[key]
        if isinstance(then, Mapping) and isinstance(today, Mapping) and then and today:
            if found := difference(then, today):
                return f"{key}.{found[0]}", *found[1:]
        elif then != today:
            return key, then, today
    return None


def refuse_other_params(
    settings: Settings, files: Iterable[Made], origin: Path = artifacts.PARAMS
) -> None:
    """Refuse files that were made with other parameters than those in force, which are shown.

    Args:
        settings: in force.
        files: those of earlier stages first, so that the first stage to run again is named.
        origin: names the settings in the message.

    Raises:
        DataError: names the file, the key, both values, and the command to run.
    """
    for file in files:
        if line := other_params(settings, file, origin):
            raise DataError(line)


def other_params(settings: Settings, file: Made, origin: Path = artifacts.PARAMS) -> str | None:
    """Return the line that says what a file was made with, and what is in force; null: the same."""
    told = {key: value for key, value in file.values.items() if value != {}}
    found = difference(told, in_force(settings, file.variant)) if told else None
    if found is None:
        return None
    key, then, today = found
    first = _command(key, file, settings)
    stage = f"`python -m stages.{first}` and what follows it (or `dvc repro`)"
    own = f"`python -m stages.{file.command}`"
    adapts = key.split(".")[0] in _SCORING  # the command itself reads it
    again = stage if file.command is None else own if adapts else f"{stage}, then {own}"
    return (
        f"{file.file}: made with {key} {_shown(then)}, but {origin} has {_shown(today)}; run "
        f"{again}, or put the value back"
    )


def _shown(value: object) -> str:
    return "null" if value is None else one_line(repr(value).strip("'"), 120)


def _command(key: str, file: Made, settings: Settings) -> str:
    """Return the first stage that reads a key, with its arguments."""
    head = key.split(".")[0]
    seed = f"{settings.view(FinetuneParams).seeds[0] if file.seed is None else file.seed}"
    for stages in (_STAGES, _SCORING):
        for read, stage in stages.items():
            if key == read or key.startswith(f"{read}."):
                own = "" if stages is _STAGES else f" {file.variant}"
                return f"{stage}{own}".replace("SEED", seed)
    methods = settings.view(MethodsParams).lists_with(file.variant or "")
    method = methods[0] if methods else "train"
    name = file.variant
    if method == "p2_selfplay" and head == "train":
        method, name = "train", artifacts.transmitter_dir(f"{file.variant}", 0).parent.name
    return f"{method} {name} {seed}"

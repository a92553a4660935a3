"""The trained start that a person adapts: learner, parameters, and how many epochs."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError, ModelError, ParamsError, one_line
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.made_from import PredictedFrom, ScoredFrom, made_of_details
from pipeline.model.files.variant_record import VariantFile, read_variant
from pipeline.model.network.learner import Learner
from pipeline.model.network.trained import load_variant
from pipeline.params import FinetuneParams, Settings
from pipeline.params.methods import made_by
from pipeline.params.stated import Made, other_params


PRETRAINED = "pretrain"  # the source of a base that stage `base` pre-trains
SYNTHETIC = "synthetic"

_LOG = logging.getLogger(__name__)  # the shell shows it as a note


@dataclass(frozen=True)
class Start:
    """A trained variant, ready to be adapted to people.

    Attributes:
        learner: f and θ.
        record: of its training run.
        params: of fine-tuning, its own `set` in force.
        epochs: of an adaptation: the headline epoch, else the most that are tried.
        details: of stage `score`; null: it has not run on what is there.
    """

    learner: Learner
    record: VariantFile
    params: FinetuneParams
    epochs: int
    details: Details | None

    @property
    def base_source(self) -> str:
        """Where φ comes from, as stage `base` wrote it."""
        facts = base_facts()
        revision = facts.get("revision")
        source = one_line(facts.get("source", "not known"))
        if source == PRETRAINED:
            return f"pre-trained here, from random parameters, on {pretrain_text(facts)}"
        if revision:
            return f"{source}, revision {one_line(revision)}"
        weights = facts.get("weights_sha256") or {}
        of_files = [f"{one_line(name)} of SHA-256 {digest}" for name, digest in weights.items()]
        return f"{source} ({', '.join(of_files)})" if of_files else source


def load_start(variant: str, seed: int) -> Start:
    """Load a trained variant.

    Raises:
        MissingFileError: it has not been trained; the message names the variants that are.
        ModelError: as `load_variant`.
    """
    _require_trained(variant, seed)
    record = read_variant(variant, seed, made_by=made_by(variant, seed))
    settings = Settings.load()
    params = settings.view(FinetuneParams, record.axes.set)
    _say_other_params(settings, record)
    details = _details(variant, seed, settings)
    epochs = (details.headline.epoch if details else 0) or params.finetune.epochs[-1]
    if details and not details.headline.epoch:
        _LOG.warning(
            "%s: its headline epoch is 0, no adaptation; taken here: %d, the most of "
            "finetune.epochs",
            artifacts.details_file(variant),
            epochs,
        )
    return Start(load_variant(variant, seed), record, params, epochs, details)


def _say_other_params(settings: Settings, record: VariantFile) -> None:
    """Say what params.yaml has changed since the model was trained, which is used as it is."""
    path = artifacts.model_dir(record.name, record.seed) / "variant.json"
    values = {key: value for key, value in record.made_with().items() if key != "method"}
    made = Made(path, values, record.name, record.seed)
    with suppress(ParamsError):  # a variant that params.yaml no longer has
        if line := other_params(settings, made):
            _LOG.warning("%s", line)


def _details(variant: str, seed: int, settings: Settings) -> Details | None:
    """Return a variant's scores, unless they are of another run than what is there."""
    path = artifacts.details_file(variant)
    if not path.is_file():
        return None
    try:
        details = read(path, Details, made_by=f"score {variant}", must_be_sealed=True)
    except DataError as error:  # the model is right without its scores
        _LOG.warning("not used: %s", error)
        return None
    if _is_there(details.made_from, variant, seed):
        with suppress(ParamsError):
            if line := other_params(settings, made_of_details(variant, details.made_from)):
                _LOG.warning("not used: %s", line)
                return None
        return details
    first = "" if _are_predicted(variant, seed) else f"`python -m stages.finetune {variant}`, then "
    again = f"run {first}`python -m stages.score {variant}` (or `dvc repro`)"
    _LOG.warning("%s is of another run; %s", path, again)
    return None


def _are_predicted(variant: str, seed: int) -> bool:
    """Say whether there are predictions of what is there: they can be scored as they are."""
    path, records = artifacts.identity_file(variant), artifacts.predictions_file(variant)
    if not (path.is_file() and records.is_file()):
        return False
    try:
        said = read(path, PredictedFrom, made_by=f"finetune {variant}")
    except DataError:
        return False
    return said.sha256 == artifacts.sha256_of(records) and _is_there(said, variant, seed)


def _is_there(said: ScoredFrom | PredictedFrom, variant: str, seed: int) -> bool:
    """Say whether records are of the model, base and tasks that are there; tasks may be missing."""
    digests = {
        artifacts.TASKS: said.tasks,
        artifacts.BASE: said.base,
        artifacts.model_dir(variant, seed): said.models.get(seed),
    }
    return said.variant == variant and all(
        artifacts.sha256_of(path) == digest for path, digest in digests.items() if path.exists()
    )


def _require_trained(variant: str, seed: int) -> None:
    path = artifacts.model_dir(variant, seed) / "variant.json"
    if path.is_file():
        return
    found = artifacts.MODELS.glob(f"*/seed-{seed}/variant.json")
    trained = sorted(one_line(file.parent.parent.name) for file in found)
    if not trained:
        raise MissingFileError(path, made_by(variant, seed) or f"train {variant} {seed}")
    raise ModelError(
        f"no trained variant {one_line(variant)!r} of seed {seed}; there are {', '.join(trained)}"
    )


def base_facts() -> dict[str, Any]:
    """Return what stage `base` wrote about φ; empty where it is not there."""
    path = artifacts.BASE_FACTS
    return artifacts.read_json(path, made_by="base") if path.is_file() else {}


def data_source() -> str:
    """Return where the dialogues come from, as stage `tasks` wrote it: a name, never a path."""
    source = one_line(_source_of("corpus").get("source", "not known"))
    return Path(source).name if Path(source).is_absolute() else source


def pretrain_text(facts: dict[str, Any]) -> str:
    """Say what a base was pre-trained on, if `data/tasks` are of the same download.

    Args:
        facts: of the base.
    """
    text = _source_of("pretrain")
    digest = (facts.get("pretraining") or {}).get("text_sha256")
    if digest is None or text.get("text_sha256") != digest:
        return "the text of `data.pretrain`"
    if text.get("kind") == SYNTHETIC:
        return "synthetic text, which this project's own program wrote"
    return f"the text of {Path(one_line(text.get('source') or 'data.pretrain')).name}"


def _source_of(what: str) -> dict[str, Any]:
    """Return what `tasks` wrote on the source of `corpus` or `pretrain`."""
    path = artifacts.TASKS_SUMMARY
    values: dict[str, Any] = artifacts.read_json(path, made_by="tasks") if path.is_file() else {}
    return dict(values.get("source", {}).get(what) or {})

"""The schema of `params.yaml`: one model per section, one view per stage, errors with a path.

DVC tracks the values through `params:` in dvc.yaml, so this module is no code dependency of any
stage: it must not change a number. Therefore no key has a default here; only a variant's axes do,
and a test pins those.
"""

from math import prod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import artifacts
from pipeline.errors import ParamsError


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Section(BaseModel):
    """A part of params.yaml: frozen, nothing unknown, nothing converted in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _is_url(source: str | None) -> bool:
    return source is not None and source.startswith(("http://", "https://"))


class People(Section):
    """How many persons each split of the synthetic corpus has."""

    train: Count
    valid: Count
    test: Count


class Synthetic(Section):
    """The synthetic corpus; read when `data.source` or `data.pretrain` is `synthetic`."""

    seed: Natural
    people: People
    dialogues: Count  # per valid and test person; training persons have about 8
    pretrain_lines: Count  # utterances of general text for pre-training the base


class Data(Section):
    """Where the corpus and the pre-training text come from."""

    source: str  # synthetic | personachat | a path | a URL
    sha256: Sha256 | None
    pretrain: str | None  # null | synthetic | a path
    pretrain_sha256: Sha256 | None
    synthetic: Synthetic

    @model_validator(mode="after")
    def _url_needs_checksum(self) -> "Data":
        if _is_url(self.source) and self.sha256 is None:
            raise ValueError("a URL as source needs sha256")
        if _is_url(self.pretrain):
            raise ValueError("pretrain must be null, synthetic or a path, not a URL")
        return self


class MaxPersonas(Section):
    """How many personas of each split are kept (null: all)."""

    train: Count | None
    valid: Count | None
    test: Count | None


class Tasks(Section):
    """From text to persona tasks."""

    seed: Natural
    persona_rule: Literal["canonical", "exact_variant", "kmeans1155"]
    max_personas: MaxPersonas


class Pretrain(Section):
    """Pre-training of φ from `data/pretrain.txt`; read when `base.source` is `pretrain`."""

    tokenizer: str | None  # folder with vocab.json and merges.txt; null: train one on the text
    vocab_size: Count
    num_layers: Count
    width: Count
    num_heads: Count
    context: Annotated[int, Field(ge=32)]  # tokens
    sequence_length: Count  # tokens of one packed training sequence
    batch_size: Count  # sequences
    steps: Count
    warmup_steps: Natural
    lr: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    holdout: Annotated[float, Field(gt=0, lt=1)]  # share of the text kept for the held-out ppl

    @model_validator(mode="after")
    def _shapes_fit(self) -> "Pretrain":
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")
        if self.sequence_length > self.context:
            raise ValueError("sequence_length is larger than context")
        return self


class Base(Section):
    """The base model φ."""

    source: str  # pretrain | a hub id | a folder
    revision: str | None  # needed with a hub id
    seed: Natural
    pretrain: Pretrain


class Adapters(Section):
    """Φ: the bottleneck adapters of Fig. 2."""

    bottleneck: Count
    init_std: Positive  # of the down-projection; the up-projection starts at zero (Eq. 2)


class Loop(Section):
    """What every training loop has besides its method's own numbers."""

    warmup_steps: Natural  # linear warm-up of the learning rate
    clip: Positive  # largest gradient norm
    validate_every: Count  # steps
    patience: Count  # validations without a new best before stopping
    valid_episodes: Count  # fixed (support, query) draws per valid persona


class Train(Loop):
    """Normal training (Section 4.2): Adam on pooled replies."""

    lr: Positive
    batch_size: Count  # replies
    steps: Count
    probe_lr: Positive  # one SGD step, only for history's adaptation curve; selects nothing


class MetaTrain(Loop):
    """The rest of meta-training; α, β and their like are top-level keys."""


class MaxFolds(Section):
    """How many dialogues of a persona are held out in turn (null: all)."""

    valid: Count | None
    test: Count | None


class Finetune(Section):
    """Fine-tuning on an unseen persona, the same for every variant (Section 4.2)."""

    seed: Natural  # of folds, support draws and dialogue order; not the training seed
    optimizer: Literal["sgd", "adam"]
    lr: Positive
    batch_size: Count | None  # replies per update; null: one support dialogue
    epochs: list[Natural]
    k: list[Natural]  # support dialogues of Fig. 3
    max_folds: MaxFolds

    @model_validator(mode="after")
    def _lists_are_increasing(self) -> "Finetune":
        for name in ("epochs", "k"):
            values = getattr(self, name)
            if not values or values != sorted(set(values)):
                raise ValueError(f"{name} must be a non-empty increasing list, found {values}")
        if self.epochs[0] != 0 or self.k[0] != 0:
            raise ValueError("epochs and k must start with 0, the score before adaptation")
        return self


class Generate(Section):
    """Decoding (App. B: nucleus sampling)."""

    seed: Natural
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_new_tokens: Count


class Score(Section):
    """Intervals over personas."""

    seed: Natural
    bootstrap_samples: Count


class Compare(Section):
    """Paired tests between variants."""

    seed: Natural
    permutations: Count


Values = Annotated[list[Any], Field(min_length=1)]


class Tune(Section):
    """The grids of `python -m stages.tune`, one for each way of training; no stage reads them."""

    seed: Natural  # training seed of every trial
    trials: Count  # of every variant, whatever its kind
    train: dict[str, Values]  # dotted keys of params.yaml, as in a variant's `set`
    meta_train: dict[str, Values]

    @model_validator(mode="after")
    def _grids_hold_the_trials(self) -> "Tune":
        for name in ("train", "meta_train"):
            size = prod(len(values) for values in getattr(self, name).values())
            if size < self.trials:
                raise ValueError(f"{name} has {size} points, for {self.trials} trials")
        return self


class Variant(Section):
    """A row of Table 1, as a point in independent axes."""

    init: Literal["pretrained", "random"]
    adapters: bool = False
    freeze_base: bool = False  # Algorithm 2, line 2
    persona_text: bool = True  # persona sentences in the prompt
    special_tokens: bool = True  # Appendix A; false: segments joined by newlines
    set: dict[str, Any] = {}  # dotted keys of params.yaml, replaced for this variant alone

    @model_validator(mode="after")
    def _something_is_trained(self) -> "Variant":
        if self.freeze_base and not self.adapters:
            raise ValueError("freeze_base without adapters leaves nothing to train")
        return self


class StageParams(Section):
    """Base of the stages' views: the fields are the keys of params.yaml that the stage reads."""


class DownloadParams(StageParams):
    """What `download` reads."""

    data: Data


class TasksParams(StageParams):
    """What `tasks` reads."""

    tasks: Tasks


class BaseParams(StageParams):
    """What `base` reads."""

    base: Base


class TrainParams(StageParams):
    """What `train` reads, besides its variant."""

    adapters: Adapters
    train: Train


class MetaTrainParams(StageParams):
    """What `meta_train` reads, besides its variant: the "Require" lines of Algorithms 1 and 2."""

    inner_lr: Positive  # α
    inner_steps: Count
    inner_batch_size: Count | None  # replies; null: the whole dialogue
    outer_lr: Positive  # β
    outer_batch_size: Count  # tasks
    outer_steps: Count
    meta_gradient: Literal["exact", "first_order", "reptile"]
    adapters: Adapters
    meta_train: MetaTrain


class FinetuneParams(StageParams):
    """What `finetune` reads."""

    seeds: Annotated[list[Natural], Field(min_length=1)]
    finetune: Finetune
    generate: Generate


class ScoreParams(StageParams):
    """What `score` reads."""

    score: Score


class CompareParams(StageParams):
    """What `compare` reads."""

    compare: Compare


class TuneParams(StageParams):
    """What the command `tune` reads, besides what the stages read that it runs."""

    tune: Tune


class AllParams(
    DownloadParams,
    TasksParams,
    BaseParams,
    TrainParams,
    MetaTrainParams,
    FinetuneParams,
    ScoreParams,
    CompareParams,
    TuneParams,
):
    """The whole of params.yaml."""

    variants: dict[str, Variant]

    @model_validator(mode="after")
    def _names_and_seeds_are_distinct(self) -> "AllParams":
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be distinct, found {self.seeds}")
        return self


Params = TypeVar("Params", bound=StageParams)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping by YAML 1.2's rules, by which `1e-05` is a number.

    Raises:
        ParamsError: there is no such file, it is not YAML, or it is no mapping.
    """
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(
            f"{path}: not found; run from the project's root, or `python -m stages.preset embedded`"
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        first = " ".join(str(error).split())
        raise ParamsError(f"{path}: not valid YAML: {first}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: a mapping of parameters was expected")
    return values


class Settings:
    """params.yaml as read, before a stage takes its view of it."""

    known: ClassVar[frozenset[str]] = frozenset(AllParams.model_fields)

    def __init__(self, values: dict[str, Any], origin: str) -> None:
        unknown = sorted(set(values) - self.known)
        if unknown:
            allowed = ", ".join(sorted(self.known))
            raise ParamsError(f"{origin}: unknown key {unknown[0]!r}; allowed are {allowed}")
        self._values = values
        self._origin = origin

    @classmethod
    def load(cls, path: Path = artifacts.PARAMS) -> "Settings":
        """Read `path`; unknown top-level keys are refused."""
        return cls(read_yaml(path), str(path))

    def view(self, schema: type[Params], overrides: dict[str, Any] | None = None) -> Params:
        """Return the stage's validated view, with a variant's `set` put in force.

        Raises:
            ParamsError: names the key's path, the value found and what is allowed.
        """
        values = self._values
        for key, value in (overrides or {}).items():
            values = _replaced(values, key.split("."), value, f"{self._origin}: set: {key}")
        missing = [name for name in schema.model_fields if name not in values]
        if missing:
            raise ParamsError(f"{self._origin}: {missing[0]}: missing")
        return _validated(schema, {k: values[k] for k in schema.model_fields}, self._origin)

    def variant(self, name: str) -> Variant:
        """Return the axes of one variant.

        Raises:
            ParamsError: there is no such variant, or its axes do not fit together.
        """
        variants = self._values.get("variants")
        if not isinstance(variants, dict) or name not in variants:
            names = ", ".join(variants) if isinstance(variants, dict) else "none"
            raise ParamsError(f"{self._origin}: variants: no {name!r}; there are: {names}")
        return _validated(Variant, variants[name], f"{self._origin}: variants.{name}")

    def check(self) -> AllParams:
        """Validate everything, every variant's `set` and every grid included; return the whole.

        Raises:
            ParamsError: as `view`.
        """
        params = self.view(AllParams)
        for variant in params.variants.values():
            self.view(AllParams, variant.set)
        for key, values in (*params.tune.train.items(), *params.tune.meta_train.items()):
            for value in values:
                self.view(AllParams, {key: value})
        return params


def _replaced(values: dict[str, Any], path: list[str], value: object, where: str) -> dict[str, Any]:
    head, *rest = path
    if head not in values or head == "variants":
        raise ParamsError(f"{where}: there is no such parameter")
    if not rest:
        return {**values, head: value}
    if not isinstance(values[head], dict):
        raise ParamsError(f"{where}: there is no such parameter")
    return {**values, head: _replaced(values[head], rest, value, where)}


Validated = TypeVar("Validated", bound=BaseModel)


def _validated(schema: type[Validated], values: object, origin: str) -> Validated:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        found = problem["input"]
        what = f"{where}: " if where else ""
        if problem["type"] == "missing":
            raise ParamsError(f"{origin}: {what}missing") from error
        if problem["type"] == "extra_forbidden":
            raise ParamsError(f"{origin}: {what}unknown key (value {found!r})") from error
        shown = "" if isinstance(found, dict) else f", found {found!r}"
        raise ParamsError(f"{origin}: {what}{problem['msg']}{shown}") from error

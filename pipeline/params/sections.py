"""One model for each section of params.yaml. No key has a default, but for a variant's axes."""

from math import prod
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
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
            raise ValueError("a URL as data.source needs data.sha256")
        if _is_url(self.pretrain):
            raise ValueError("data.pretrain must be null, synthetic or a path, not a URL")
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
    patience: Count  # validations without a new best that are borne; the next one stops


class DialogueLoop(Loop):
    """What normal training and meta-training have in common."""

    valid_episodes: Count  # fixed (support, query) draws per valid persona
    precision: Literal["float32", "bfloat16"]  # of matrix products; parameters stay float32


class Train(DialogueLoop):
    """Normal training (Section 4.2): Adam on pooled replies."""

    lr: Positive
    batch_size: Count  # replies
    steps: Count
    probe_lr: Positive  # one SGD step, only for history's adaptation curve; selects nothing


class MetaTrain(DialogueLoop):
    """The rest of meta-training; α, β and their like are top-level keys."""

    inner_optimizer: Literal["sgd", "adam"]  # its state is fresh for every task
    inner_parameters: list[str] | None  # patterns of what the inner loop moves; null: all of θ
    learn_inner_lr: bool  # a rate for each tensor that moves, meta-trained; α is its start
    support_loss: Weight  # added to the outer loss: the support losses' mean, each before its step

    @model_validator(mode="after")
    def _learned_rates_are_of_sgd(self) -> "MetaTrain":
        if self.learn_inner_lr and self.inner_optimizer != "sgd":
            raise ValueError(
                f"learn_inner_lr learns the rates of SGD steps, found inner_optimizer "
                f"{self.inner_optimizer}; set one of them back"
            )
        return self


class ReceiverTraining(Loop):
    """P² Bot's receiver: persona sentences told from a stranger's by what was said."""

    lr: Positive
    batch_size: Count  # dialogues
    steps: Count
    negatives: Count  # strangers' personas per dialogue in training
    valid_negatives: Count  # and in validation
    margin: Positive
    sparsity: Annotated[float, Field(ge=0)]  # weight of the mean |M|
    tau_start: Positive  # sharpness of the softmax over sentences at first, and its increment
    tau_examples: Count  # dialogues from one increment to the next
    tau_max: Positive


class SelfPlay(Loop):
    """P² Bot's self-play: policy gradient on four rewards."""

    lr: Positive
    steps: Count  # episodes, supervised ones included
    turns: Count  # utterances of each side
    rollouts: Annotated[int, Field(ge=2)]  # of the same meeting; their mean is the baseline
    valid_meetings: Count  # fixed meetings of valid personas
    max_new_tokens: Count  # of an utterance, closing token included
    top_k: Count  # the learning side samples among so many tokens
    temperature: Positive
    no_repeat_ngram: Count  # no n-gram twice in an utterance
    gamma: Annotated[float, Field(ge=0, le=1)]  # discount of the persona reward's returns
    language: Annotated[float, Field(ge=0)]  # weights of the rewards
    coherence: Annotated[float, Field(ge=0)]  # idle where the variant predicts no next utterance
    persona: Annotated[float, Field(ge=0)]
    penalty: Annotated[float, Field(ge=0)]
    supervised_probability: Annotated[float, Field(ge=0, le=1)]  # an episode is a supervised step
    supervised_batch_size: Count  # replies


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
    k: list[Natural]  # support dialogues of Fig. 3; empty: without it
    next_utterance: bool  # with the training's next-utterance loss, where the variant has one
    in_context: bool  # also score Fig. 3's queries with the support in the prompt, no gradient
    max_folds: MaxFolds

    @model_validator(mode="after")
    def _lists_are_increasing(self) -> "Finetune":
        for name in ("epochs", "k"):
            values = getattr(self, name)
            if values != sorted(set(values)):
                raise ValueError(f"{name} must be an increasing list, found {values}")
        if self.epochs[:1] != [0] or self.k[:1] not in ([], [0]):
            raise ValueError(
                "epochs must start with 0, the score before adaptation, and so must k, or be empty"
            )
        return self


class Generate(Section):
    """Decoding (App. B: nucleus sampling)."""

    seed: Natural
    top_p: Annotated[float, Field(gt=0, le=1)]
    temperature: Positive  # logits are divided by it before the nucleus is taken
    samples: Count  # nucleus samples per reply; the first is Table 1's
    max_new_tokens: Count


class Score(Section):
    """Intervals over personas."""

    seed: Natural
    bootstrap_samples: Count


class Claim(Section):
    """A question about two variants, asked before there are numbers."""

    a: str
    b: str
    question: Annotated[str, Field(min_length=1)]


class Compare(Section):
    """Paired tests between variants."""

    seed: Natural
    permutations: Count
    claims: list[Claim]  # a family of tests of its own

    @model_validator(mode="after")
    def _claims_are_distinct(self) -> "Compare":
        asked = [{claim.a, claim.b} for claim in self.claims]
        for number, pair in enumerate(asked):
            if len(pair) == 1:
                raise ValueError(f"claims: {pair.pop()!r} cannot be compared with itself")
            if pair in asked[:number]:
                raise ValueError(f"claims: two are about {' and '.join(sorted(pair))}")
        return self


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


class NextUtterance(Section):
    """Next-utterance prediction beside language modelling: L = lm_coef LM + coef NUP."""

    head: Literal["choice", "binary"]  # TransferTransfo's | P² Bot's
    lm_coef: Weight
    coef: Weight
    candidates: Annotated[int, Field(ge=2)]  # of each reply in training, the true one among them


class Variant(Section):
    """A row of Table 1, as a point in independent axes."""

    init: Literal["pretrained", "random"]
    adapters: bool = False
    freeze_base: bool = False  # Algorithm 2, line 2
    persona_text: bool = True  # persona sentences in the prompt
    next_utterance: NextUtterance | None = None
    special_tokens: bool = True  # Appendix A; false: segments joined by newlines
    set: dict[str, Any] = {}  # dotted keys of params.yaml, replaced for this variant alone

    @model_validator(mode="after")
    def _something_is_trained(self) -> "Variant":
        if self.freeze_base and not self.adapters:
            raise ValueError("freeze_base without adapters leaves nothing to train")
        return self

"""The Prediction record: all that scoring needs of one reply in one setting. No torch."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from pipeline.persona.task.record import MOST_SENTENCES


Protocol = Literal[
    "leave_one_out",
    "k_shot",
    "swap",  # leave-one-out after a stranger's dialogues
    "k_shot_swap",  # K-shot after a stranger's
    "in_context",
    "text_own",  # the query with another persona text in the prompt than the variant has
    "text_stranger",
    "text_none",
]

# A probability is at most 1, so an NLL at least 0, but for the rounding of float32 logits.
MOST = (1 << 31) - 1  # of whatever is counted
Count = Annotated[int, Field(ge=0, le=MOST)]
Nats = Annotated[float, Field(ge=-1e-3, allow_inf_nan=False)]


class Prediction(BaseModel):
    """One scored reply: of one person, by one training seed's model, under one protocol.

    Settings differ in `split`, `protocol`, `k` or `epoch`. Candidate fields are parallel lists of
    20, and null where candidates were not scored. `candidate_nll` and `candidate_tokens` leave the
    closing token out. Identical strings have identical values, so ties are exact.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task_id: str
    dialogue_id: str
    turn: Count  # index of the reply in its dialogue
    seed: Annotated[int, Field(ge=0)]  # the training seed
    split: Literal["valid", "test"]
    protocol: Protocol
    k: Count  # support dialogues
    epoch: Count  # passes over the support dialogues; 0: not adapted
    nll: Nats  # over the reply's tokens
    nll_end: Nats  # of the closing token
    # Both together, with a cache of the support's tokens mixed in, by its weight; at epoch 0.
    cache_nll: dict[str, Nats] | None = None
    num_tokens: Count  # reply tokens, closing token not counted
    num_words: Count  # words by the ConvAI2 rule
    windows: Annotated[int, Field(ge=1, le=MOST)] = (
        1  # of the dialogue; over 1: longer than the context
    )
    candidate_nll: list[Nats] | None = None
    candidate_tokens: list[Annotated[int, Field(ge=1, le=MOST)]] | None = None
    candidate_equals_gold: list[bool] | None = None  # after F1 normalisation
    candidate_in_support: list[bool] | None = None  # is a reply of the support dialogues
    candidate_nll_unconditional: list[Nats] | None = None  # without persona and history
    candidate_head: list[FiniteFloat] | None = None  # of a ranking head: more is better
    gold: Annotated[int, Field(ge=0)] | None = None  # index of the real reply
    response: str | None = None  # nucleus sample
    responses: list[str] | None = None  # further nucleus samples of the same reply
    greedy: str | None = None
    # The dialogue's sentences, where responses are; persona F1 compares each with each response.
    persona: Annotated[list[str], Field(max_length=MOST_SENTENCES)] | None = None
    reference: str

    @model_validator(mode="after")
    def _candidate_fields_agree(self) -> "Prediction":
        fields = (
            self.candidate_nll,
            self.candidate_tokens,
            self.candidate_equals_gold,
            self.candidate_in_support,
        )
        sizes = {None if field is None else len(field) for field in fields}
        if len(sizes) != 1:
            raise ValueError(f"candidate lists differ in length: {sizes}")
        for more in (self.candidate_nll_unconditional, self.candidate_head):
            if more is not None and len(more) not in sizes:
                raise ValueError(f"candidate lists differ in length: {sizes} and {len(more)}")
        if (self.gold is None) != (self.candidate_nll is None):
            raise ValueError("gold and the candidate lists must be given together")
        equals = self.candidate_equals_gold
        if (
            self.gold is not None
            and equals is not None
            and equals[self.gold : self.gold + 1] != [True]
        ):
            raise ValueError(f"gold is {self.gold}, not the index of a candidate that equals it")
        if self.responses is not None and self.response is None:
            raise ValueError("responses are further samples: response must be given, too")
        return self

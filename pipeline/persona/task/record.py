"""The record of a task T_i (Section 4): one persona, its dialogues, their turns."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
Text = Annotated[str, Field(min_length=1)]
# Of a persona. They stand before every dialogue, so more would hardly fit a context; and the time
# to group people by persona text grows with them where all people share some in pairs.
MOST_SENTENCES = 100
NUM_CANDIDATES = 20  # of a reply, itself among them (Section 4.1)

# Persona-chat's mark for "the partner has said nothing yet". The record keeps it; the encoding
# (Appendix A) has no segment for it.
SILENCE = "__SILENCE__"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Turn(_Frozen):
    """One exchange: the partner speaks, the person replies.

    `candidates` are 20 replies, one of them the gold one. `gold` is its index, a seeded random one,
    so that a tie cannot help. Both are given, or both are null.
    """

    partner: str
    reply: str
    candidates: list[str] | None = None
    gold: int | None = None

    @model_validator(mode="after")
    def _gold_is_a_candidate(self) -> "Turn":
        if (self.candidates is None) != (self.gold is None):
            raise ValueError("candidates and gold must be given together")
        if self.candidates is not None and self.gold is not None:
            if not 0 <= self.gold < len(self.candidates):
                raise ValueError(f"gold is {self.gold}, candidates are {len(self.candidates)}")
            if self.candidates[self.gold] != self.reply:
                raise ValueError("the candidate at index gold is not the reply")
        return self


class Dialogue(_Frozen):
    """One dialogue of one person: its own persona sentences, then its turns in order."""

    dialogue_id: Text
    persona: list[str]
    turns: Annotated[list[Turn], Field(min_length=1)]


class PersonaTask(_Frozen):
    """A task T_i: all dialogues of one persona. `task_id` is unique over all splits."""

    task_id: Text
    split: Split
    dialogues: Annotated[list[Dialogue], Field(min_length=1)]

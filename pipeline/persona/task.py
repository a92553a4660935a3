"""The records of Section 4's tasks: one persona, its dialogues, their turns."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
Text = Annotated[str, Field(min_length=1)]

# Persona-chat's mark for "the partner has said nothing yet"; its segment is left out of the
# encoding (Appendix A), but it stays in the record.
SILENCE = "__SILENCE__"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Turn(_Frozen):
    """One exchange: the partner speaks, the person replies.

    `candidates` (20 replies, the gold one among them) and `gold` (its index, at a seeded random
    position, so that a tie cannot help) are both given or both null.
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
    """One dialogue of one person: the persona sentences as given there, then the turns in order."""

    dialogue_id: Text
    persona: list[str]
    turns: Annotated[list[Turn], Field(min_length=1)]


class PersonaTask(_Frozen):
    """A task T_i: all dialogues of one persona. `task_id` is unique over all splits."""

    task_id: Text
    split: Split
    dialogues: Annotated[list[Dialogue], Field(min_length=1)]

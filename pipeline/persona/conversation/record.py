"""The documented input format: one conversation, told from one person's side (docs/corpora.md)."""

from typing import Annotated, Any, Literal
from unicodedata import normalize

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    field_validator,
    model_validator,
)

from pipeline.persona.task.record import MOST_SENTENCES, NUM_CANDIDATES, Split


Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")
LONGEST_NAME = 500  # characters of a person's name


def _encodable(text: str) -> str:
    """Refuse half a surrogate pair, which JSON can spell: it is no text."""
    text.encode()
    return text


def same_name(given: str) -> str:
    """Return a name as it is compared: without white space around it, its accents in one spelling.

    A Mac writes `é` as two characters, most others as one; both look the same.
    """
    return normalize("NFC", given.strip())


AnyText = Annotated[str, AfterValidator(_encodable)]
# A name may be a number in JSON; white space around it is no part of it.
Name = Annotated[AnyText, Field(min_length=1, max_length=LONGEST_NAME)]


class _Given(BaseModel):
    # Chat files have keys of their own (dates, weights): those are not read.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Message(_Given):
    """What one side says; `assistant` is the person to be learnt."""

    role: Role
    content: AnyText


class Conversation(_Given):
    """One conversation of `person`, in its order.

    Attributes:
        person: who is to be learnt; equal names, by `same_name`, are one person. Null only between
            a reader of Persona-chat's formats and the grouping by persona text.
        messages: at least one.
        persona: sentences about the person, MOST_SENTENCES at most.
        candidates: null, or an item for each message of the person, in order: 20 candidates with
            the message among them, or null.
        split: null: people are drawn by seed.
        conversation: views of one conversation have the same name, and are never in two splits;
            null: the text says which views belong together.
    """

    person: Name | None = None
    messages: Annotated[list[Message], Field(min_length=1), FailFast()]
    persona: Annotated[list[AnyText], Field(max_length=MOST_SENTENCES), FailFast()] = []
    candidates: list[list[AnyText] | None] | None = None
    split: Split | None = None
    conversation: Name | None = None

    @field_validator("person", "conversation", mode="before")
    @classmethod
    def _number_or_name(cls, given: Any) -> Any:
        if isinstance(given, int) and not isinstance(given, bool):
            return str(given)
        return same_name(given) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _candidates_fit(self) -> "Conversation":
        if self.candidates is None:
            return self
        replies = [message.content for message in self.messages if message.role == "assistant"]
        if len(self.candidates) != len(replies):
            raise ValueError(
                f"candidates has {len(self.candidates)} items, the person has {len(replies)} "
                "messages; give one for each, or null"
            )
        for number, (offered, reply) in enumerate(zip(self.candidates, replies, strict=True)):
            if offered is None:
                continue
            if len(offered) != NUM_CANDIDATES or reply not in offered:
                raise ValueError(
                    f"candidates[{number}] must be {NUM_CANDIDATES} texts, the person's message "
                    f"among them; found {len(offered)}"
                )
            if reply.strip() and not all(one.strip() for one in offered):
                raise ValueError(f"candidates[{number}] has a text without a letter; give another")
        return self

    def line(self) -> str:
        """Return the record as a line of JSON Lines, without its end; null keys are left out."""
        return self.model_dump_json(exclude_defaults=True)

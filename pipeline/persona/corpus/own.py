"""A corpus of the user's own: read once, its people placed in splits, written as JSON Lines."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.params import Data
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.conversation.tidy import tidy
from pipeline.persona.corpus.census import Census
from pipeline.persona.corpus.split import HELD_OUT, Placement, placed
from pipeline.persona.readers.recognise import recognised
from pipeline.persona.readers.shared.files import files_of
from pipeline.persona.task.record import NUM_CANDIDATES, SPLITS, Split
from pipeline.progress import Advance, untold


OnConversation = Callable[[Conversation], None]

EVERY = 500  # conversations between two reports


def digest(path: str) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files that a path names.

    Raises:
        DataError: there is no file.
    """
    files = files_of(path)
    if len(files) == 1:
        return artifacts.sha256_of(files[0].path)
    whole = sha256()
    for file in files:
        whole.update(f"{file.name}\0{artifacts.sha256_of(file.path)}\n".encode())
    return whole.hexdigest()


@dataclass(frozen=True)
class Survey:
    """What a corpus holds.

    Attributes:
        format: the name of the reader.
        files: how many were read.
        census: of all conversations with a reply.
        placement: where they go.
        tally: what was left out, and notes.
    """

    format: str
    files: int
    census: Census
    placement: Placement
    tally: Tally

    def counts(self) -> dict[Split, dict[str, int]]:
        """Return people, people with one conversation, conversations and replies of each split."""
        sizes: dict[Split, Counter[int]] = {split: Counter() for split in SPLITS}
        replies: Counter[Split] = Counter()
        where = self.placement
        for who, split, number in zip(where.person, where.split, self.census.replies, strict=True):
            if split is not None:
                sizes[split][who] += 1
                replies[split] += number
        return {
            split: {
                "people": len(size),
                "people_with_one_conversation": sum(n == 1 for n in size.values()),
                "conversations": size.total(),
                "replies": replies[split],
            }
            for split, size in sizes.items()
        }

    @property
    def left_out(self) -> dict[str, int]:
        """Return how much was left out, by reason."""
        return {**self.tally.counts(), **self.placement.left_out}


def survey(
    path: str,
    data: Data,
    on_conversation: OnConversation = lambda _: None,
    advance: Advance = untold,
) -> Survey:
    """Read a corpus once and place its people. Memory holds some numbers for each conversation.

    Args:
        path: a file, a folder, or a pattern.
        data: how to read it, and the shares of people.
        on_conversation: called with each conversation that has a reply, tidied.
        advance: told of the conversations that were read.

    Raises:
        DataError: the format is not known; a line is broken, and broken lines are not left out; no
            conversation has a reply; or there are too few people.
    """
    tally = Tally(skip_broken=data.skip_broken)
    source = recognised(path, tally)
    census = Census()
    offered = 0  # conversations with candidates of their own
    for found in source.read(data, tally):
        tidied = tidy(found.conversation, data, tally, found.place)
        if tidied is not None:
            census.add(found.conversation, tidied)
            on_conversation(tidied)
            offered += tidied.candidates is not None
            if len(census) % EVERY == 0:
                advance(len(census), "")
    if not census:
        reasons = "; ".join(f"{n} {what}" for what, n in tally.counts().items()) or "nothing in it"
        raise DataError(f"{one_line(path)}: no conversation with a reply of a person ({reasons})")
    placement = placed(census, data.split)
    if not offered:
        _note_few_replies(census, placement, tally)
    for (one, other), number in placement.shared.items():
        tally.note(f"{number} conversations are in {one} and in {other} of the corpus's own splits")
    return Survey(source.reader.name, len(source.files), census, placement, tally)


def _note_few_replies(census: Census, placement: Placement, tally: Tally) -> None:
    """Note where distractors must be too few: they are other people's replies of the same split."""
    said: dict[Split, Counter[int]] = {split: Counter() for split in SPLITS}
    for who, split, number in zip(placement.person, placement.split, census.replies, strict=True):
        if split is not None:
            said[split][who] += number
    for split in HELD_OUT:
        others = min((said[split].total() - own for own in said[split].values()), default=0)
        if others < NUM_CANDIDATES - 1:
            tally.note(
                f"{split}: stage tasks will refuse it: somebody has {others} replies of other "
                f"people to draw {NUM_CANDIDATES - 1} distractors from; raise data.split.{split}, "
                "or give more conversations"
            )


def write_splits(path: str, data: Data, into: Path, advance: Advance = untold) -> Survey:
    """Write a corpus into an existing folder, JSON Lines for each split; return its survey.

    Each line names its person and its split.

    Raises:
        DataError: as `survey`.
    """
    scratch = into / "all.jsonl"
    with scratch.open("w", encoding="utf-8", newline="\n") as file:
        surveyed = survey(path, data, lambda tidied: _write(file.write, tidied), advance)
    where = surveyed.placement
    with ExitStack() as stack:
        files = {
            split: stack.enter_context(
                (into / artifacts.raw_conversations(split).name).open(
                    "w", encoding="utf-8", newline="\n"
                )
            )
            for split in SPLITS
        }
        for index, tidied in enumerate(_read(scratch)):
            split = where.split[index]
            if split is not None:
                person = where.people[where.person[index]]
                _write(
                    files[split].write, tidied.model_copy(update={"person": person, "split": split})
                )
    scratch.unlink()
    return surveyed


def _write(write: Callable[[str], object], conversation: Conversation) -> None:
    write(conversation.line() + "\n")


def _read(path: Path) -> Iterator[Conversation]:
    with path.open("rb") as file:
        for line in file:
            yield Conversation.model_validate_json(line)

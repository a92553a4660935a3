"""What a corpus holds, before anything is trained: `python -m stages.corpus PATH`."""

from collections.abc import Iterator
from random import Random
from typing import Annotated, Any, get_args

import typer
from rich import box
from rich.table import Table

from pipeline import artifacts
from pipeline.errors import one_line
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.params import Data, DownloadParams, Settings
from pipeline.params.presets import load_preset, preset_names
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.corpus.own import Survey, survey
from stages.shell import console
from stages.shell.progress.shown import progress


MOST_TURNS = 6  # of a dialogue that is shown
LONGEST_SHOWN = 300  # characters of a turn
OWN = "own"  # the preset that one's own conversations are for
ROWS = {
    "people": "people",
    "people_with_one_conversation": "of them with one conversation",
    "conversations": "dialogues",
    "replies": "replies",
}


def corpus(
    path: Annotated[str, typer.Argument(help="A file, a folder, or a pattern in quotes.")],
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave broken lines out, and count them.")
    ] = False,
    dates: Annotated[
        str | None, typer.Option(help="Order in messenger logs: auto, dmy, mdy or ymd.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="System messages: keep or drop.")] = None,
    shown: Annotated[int, typer.Option(min=0, help="Dialogues to show.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of their draw.")] = 0,
) -> None:
    """Say what is recognised, who says how much, what is left out; show dialogues as they are read.

    What no option says is as `data` of params.yaml has it.
    """
    data = _choices(skip_broken=skip_broken or None, dates=dates, system=system)
    sample = _Sample(shown, seed)
    with progress("corpus", None, unit="dialogues") as advance:
        found = survey(path, data, sample.offer, advance)
    _print_survey(path, found)
    console.say(_longest(data))
    for number, conversation in enumerate(sample.kept, start=1):
        console.say(f"\nDialogue {number} of {len(sample.kept)}, as the model reads it:")
        for line in as_read(conversation):
            console.say(f"  {line}")


def _choices(**given: Any) -> Data:
    """Return `data` of params.yaml with what the options say."""
    data = Settings.load().view(DownloadParams).data
    chosen = {key: value for key, value in given.items() if value is not None}
    for key, value in chosen.items():
        accepted = get_args(Data.model_fields[key].annotation)
        if accepted and value not in accepted:
            names = ", ".join(accepted)
            raise typer.BadParameter(f"--{key} is one of {names}, not {one_line(repr(value), 60)}")
    return data.model_copy(update=chosen)


def _longest(data: Data) -> str:
    """Say at how many characters turns are cut, and whether preset `own` would cut elsewhere."""

    def cut(longest: int | None) -> str:
        return "no turn is cut" if longest is None else f"turns are cut at {longest} characters"

    said = f"{cut(data.longest)} (data.longest of {artifacts.PARAMS})"
    if OWN not in preset_names():
        return said
    own = load_preset(OWN).view(DownloadParams).data.longest
    return said if own == data.longest else f"{said}; with preset {OWN} {cut(own)}"


class _Sample:
    """Keeps a few of many conversations, each with the same chance."""

    def __init__(self, most: int, seed: int) -> None:
        self.kept: list[Conversation] = []
        self.offered = 0
        self._most = most
        self._random = Random(seed)

    def offer(self, conversation: Conversation) -> None:
        self.offered += 1
        if len(self.kept) < self._most:
            self.kept.append(conversation)
        elif (place := self._random.randrange(self.offered)) < self._most:
            self.kept[place] = conversation


def _print_survey(path: str, found: Survey) -> None:
    files = "1 file" if found.files == 1 else f"{found.files} files"
    console.say(f"{path}: {found.format}, {files}")
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("", *(splits := found.counts()), "all"):
        table.add_column(heading, justify="right" if heading else "left")
    for key, title in ROWS.items():
        numbers = [counts[key] for counts in splits.values()]
        table.add_row(title, *(f"{number:,}" for number in (*numbers, sum(numbers))))
    console.out.print(table)
    drawn = found.placement.drawn
    whose = f"people of {' and '.join(drawn)} are drawn by seed" if drawn else "the corpus's own"
    console.say(f"splits: {whose}")
    console.say(f"left out: {'' if found.left_out else 'nothing'}")
    for what, count in found.left_out.items():
        first = found.tally.left_out.get(what)
        console.say(f"  {count:,} {what}{f'; first: {first.first}' if first else ''}")
    for note in found.tally.notes:
        console.say(f"note: {note}")


def as_read(conversation: Conversation) -> Iterator[str]:
    """Yield a dialogue's segments with their marks (Appendix A), long ones cut.

    Loss is on the segments between the fifth mark and the sixth.
    """
    persona, persona_end, user, user_end, system, system_end = SPECIAL_TOKENS
    if conversation.persona:
        yield _segment(persona, " ".join(conversation.persona), persona_end)
    marks = {"user": (user, user_end), "assistant": (system, system_end)}
    for number, message in enumerate(conversation.messages):
        if number == 2 * MOST_TURNS:
            yield f"… {len(conversation.messages) - number} more segments"
            return
        opening, closing = marks[message.role]
        yield _segment(opening, message.content, closing)


def _segment(opening: str, text: str, closing: str) -> str:
    cut = len(text) > LONGEST_SHOWN
    shown = f"{text[:LONGEST_SHOWN]}… ({len(text)} characters)" if cut else text
    return f"{opening} {shown}{closing}"


if __name__ == "__main__":
    console.run(corpus)

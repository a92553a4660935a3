"""What the terminal and the page say of an adaptation, and how a talk is saved."""

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.evaluation.personal.adapted import Measured
from pipeline.persona.task.record import SILENCE, Turn


def losses(measured: Measured, about: str) -> list[str]:
    """Return lines on the held-out loss before and after; `about` says what was held out."""
    before, after, stranger = measured.before, measured.after, measured.stranger
    if before is None or after is None:
        return ["nothing held out, so nothing measured: it takes two conversations of the person"]
    change = f"held out ({about}), nats per token: {before.nats:.6f} before, {after.nats:.6f} after"
    lines = [f"{change} ({after.nats - before.nats:+.3f})"]
    if stranger is None and measured.known:
        return [
            *lines,
            "no stranger among the test people has as many dialogues: no control (left out, as "
            f"they have conversations of the person: {measured.known})",
        ]
    if stranger is None:
        return [*lines, "no stranger among the test people has as many dialogues: no control"]
    return [*lines, f"after as many dialogues of a stranger: {stranger.nats:.6f}"]


def refuse_no_text(text: str) -> None:
    r"""Refuse what no tokenizer reads.

    Raises:
        DataError: a byte that is no UTF-8, or half a character that JSON had as \ud800.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError(f"{one_line(text, 40)}: no UTF-8 text; type it again") from None


def save(path: Path, name: str, persona: Sequence[str], turns: Sequence[Turn]) -> None:
    """Write a talk to a new file.

    Raises:
        DataError: nothing was said, or the file is there already.
    """
    line = as_line(name, persona, turns)
    if path.exists():
        raise DataError(f"{one_line(path)}: there already; name another file")
    artifacts.write_text(path, line)


def as_line(name: str, persona: Sequence[str], turns: Sequence[Turn]) -> str:
    """Return a talk as a line of JSON Lines, as `--person` reads it: the model is the assistant.

    Raises:
        DataError: nothing was said.
    """
    if not turns:
        raise DataError("nothing was said yet, so nothing is saved")
    messages = []
    for turn in turns:
        if turn.partner not in ("", SILENCE):
            messages.append({"role": "user", "content": turn.partner})
        messages.append({"role": "assistant", "content": turn.reply})
    line = {"person": name, "persona": list(persona), "messages": messages}
    return json.dumps(line, ensure_ascii=False) + "\n"

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


def save(path: Path, name: str, persona: Sequence[str], turns: Sequence[Turn]) -> None:
    """Write a talk as a line of JSON Lines, as `--person` reads it: the model is the assistant.

    Raises:
        DataError: nothing was said, or the file is there already.
    """
    if not turns:
        raise DataError("nothing was said yet, so nothing is saved")
    if path.exists():
        raise DataError(f"{one_line(path)}: there already; name another file")
    messages = []
    for turn in turns:
        if turn.partner not in ("", SILENCE):
            messages.append({"role": "user", "content": turn.partner})
        messages.append({"role": "assistant", "content": turn.reply})
    line = {"person": name, "persona": list(persona), "messages": messages}
    artifacts.write_text(path, json.dumps(line, ensure_ascii=False) + "\n")

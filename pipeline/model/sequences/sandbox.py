"""A process that renders a stranger's chat template: `python sandbox.py < request > answer`.

`transformers` renders in jinja's sandbox, which keeps a template from files and code, but not from
running or growing without end. So it is done in a process of its own, with bounds on its time and
memory. The clock stands still: what a template makes of today's date must not change a result.
Nothing of this project is imported, so that the process starts soon.
"""

import datetime
import json
import sys
from pathlib import Path
from typing import Any


LETTERS = 1 << 20  # of one rendered dialogue


class _Clock(datetime.datetime):
    """It is always the same day."""

    day_of_all = datetime.date.min

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_Clock":
        day = cls.day_of_all
        return cls(day.year, day.month, day.day, tzinfo=tz)


def rendered(request: dict[str, Any]) -> list[dict[str, str]]:
    """Render each of `conversations`, within bounds: its `text`, or the `error`.

    Args:
        request: `template`, `names` of special tokens, `conversations`; the `day` that it is;
            `seconds` of processor time and bytes of `memory` that rendering may take.
    """
    from transformers.utils import chat_template_utils

    _Clock.day_of_all = datetime.date.fromisoformat(request["day"])
    chat_template_utils.datetime = _Clock
    _bound(request["seconds"], request["memory"])
    answers = []
    for messages in request["conversations"]:
        try:
            texts, _ = chat_template_utils.render_jinja_template(
                conversations=[messages], chat_template=request["template"], **request["names"]
            )
            if len(texts[0]) > LETTERS:
                raise ValueError(f"{len(texts[0])} letters for {len(messages)} messages")
            answers.append({"text": texts[0]})
        except Exception as error:  # whatever a template may raise
            answers.append({"error": f"{type(error).__name__}: {error}"[:1000]})
    return answers


def _bound(seconds: int, memory: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:  # not Linux
        return
    limit = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    json.dump(rendered(json.load(sys.stdin)), sys.stdout)

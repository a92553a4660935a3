"""Words that other people or a model wrote, made fit to be shown. No torch.

The template engine escapes markup. What is left are characters that a reader does not see and that
change what is seen around them: controls, terminal escapes, turns of the direction of writing.
"""

import re

from pipeline import errors


JOINERS = re.compile("([\u200c\u200d])")  # between letters: scripts and emoji need them


def visible(text: str) -> str:
    """Return a text on one line in which every control and format character can be seen."""
    words = " ".join(text.split()) or "(nothing)"
    parts = JOINERS.split(words)
    return "".join(p if JOINERS.fullmatch(p) else errors.visible(p) for p in parts)

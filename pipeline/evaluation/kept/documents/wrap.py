"""Paragraphs of Markdown wrapped to one width, once the numbers stand in them. No torch."""

import re
import textwrap


WIDTH = 120
GLUE = "\0"
ITEM = re.compile(r"- |\d+\. ")
TOGETHER = re.compile(  # code, a number with its interval, a p-value
    r"`[^`]+`|(?<![-\d.])[-\d.]+ \[[-\d., ]+\]|p [=<] [\d.]+"
)
LEFT_ALONE = re.compile(r"#|\||```|!\[")  # headings, tables, code, pictures


def wrapped(text: str) -> str:
    """Return the text with its paragraphs and list items wrapped; all else stays as it is."""
    done: list[str] = []
    paragraph: list[str] = []
    in_code = False
    for line in text.splitlines():
        in_code ^= line.startswith("```")
        if in_code or not line.strip() or LEFT_ALONE.match(line):
            done += [*_filled(paragraph), line]
            paragraph = []
        elif ITEM.match(line):
            done += _filled(paragraph)
            paragraph = [line]
        else:
            paragraph.append(line)
    return "\n".join([*done, *_filled(paragraph)]) + "\n"


def _filled(paragraph: list[str]) -> list[str]:
    item = ITEM.match(paragraph[0]) if paragraph else None
    text = " ".join(line.strip() for line in paragraph)
    lines = textwrap.wrap(
        TOGETHER.sub(lambda match: match[0].replace(" ", GLUE), text),
        WIDTH,
        subsequent_indent=" " * (item.end() if item else 0),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(GLUE, " ") for line in lines]

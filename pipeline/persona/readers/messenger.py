"""Logs of messengers, `[date, time] name: text` or `date, time - name: text`, from each side.

A line without a date goes on with the message before. After `data.pause` hours without a message a
new conversation begins.
"""

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from pipeline.errors import one_line
from pipeline.params import Data
from pipeline.persona.conversation.record import same_name
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.reader import Found, Head, Reader
from pipeline.persona.readers.shared.dates import WORDS, Date, Order, Verdict, moment, verdict_of
from pipeline.persona.readers.shared.files import CorpusFile, lines_of
from pipeline.persona.readers.shared.speakers import TOO_LONG, Said, longest_message, parts, views


MOST_MESSAGES = 1000  # of a conversation: a log without a pause is cut at a shorter one

_BLANK = r"[\s\u202f\u00a0]"
_STAMP = re.compile(
    rf"""[\u200e\u200f\u202a\u202c]*(?P<open>\[)?
    (?P<date>\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}})(?:,|T|\.)?{_BLANK}*
    (?P<hour>\d{{1,2}})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d)(?:[.,]\d+)?)?
    (?:{_BLANK}*(?P<half>[ap])\.?{_BLANK}?m\.?)?(?:Z|[+-]\d\d:?\d\d)?
    (?(open)\]{_BLANK}*(?:[-–—]{_BLANK}+)?|{_BLANK}+[-–—]{_BLANK}+)
    (?P<rest>.*)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_NAMED = re.compile(
    r"(?:<(?P<nick>[^<>]{1,100})>\s|(?!\W*<[^<>]*>\s*\Z)(?P<name>[^:]{1,100}?):(?:\s|\Z))"
    r"(?P<text>.*)",
    re.DOTALL,
)
_MEDIA = re.compile(r"\u200e.*|<[^<>]{1,60}>", re.DOTALL)
_FIRST_LINES = 20


@dataclass
class _Message:
    line: int
    when: datetime
    speaker: str
    longest: int
    text: list[str] = field(default_factory=list)
    length: int = -1  # of all lines, joined by line ends; of what is cut off, too

    def add(self, line: str, place: str, tally: Tally) -> None:
        """Take a line as far as there is room; count the message once if it is cut."""
        before = self.length
        self.length += 1 + len(line)
        if before + 1 < self.longest:
            self.text.append(line[: self.longest - before - 1])
        if before <= self.longest < self.length:
            tally.leave_out(TOO_LONG, place)


def _recognises(head: Head) -> bool:
    return any(_STAMP.match(line) for line in head.lines[:_FIRST_LINES])


def _read(files: Sequence[CorpusFile], data: Data, tally: Tally) -> Iterator[Found]:
    orders = _orders(files, data, tally)
    for file, order in zip(files, orders, strict=True):
        for session in _sessions(file, order, data, tally):
            place = file.at(session[0].line)
            said = [Said(one.speaker, "\n".join(one.text)) for one in session]
            for part in parts(said):
                for view in views(part, conversation=place):
                    yield Found(place, view)


def _orders(files: Sequence[CorpusFile], data: Data, tally: Tally) -> list[Order]:
    """Return the order of each file's dates; where it is ambiguous, that of the other files."""
    if data.dates != "auto":
        return [data.dates for _ in files]
    verdicts = [_verdict(file) for file in files]
    sure = {verdict.order for verdict in verdicts if not verdict.ambiguous}
    orders, taken = [], []
    for file, verdict in zip(files, verdicts, strict=True):
        order = verdict.order
        if verdict.ambiguous and len(sure) == 1:
            (order,) = sure
        elif verdict.ambiguous:
            taken.append(
                f"{one_line(file.name)}: its dates can be read in two ways, {WORDS[order]} is taken"
            )
        orders.append(order)
    if taken:
        more = f", as in {len(taken) - 1} more files" if len(taken) > 1 else ""
        tally.note(f"{taken[0]}{more}; --dates or data.dates sets it")
    tally.note(f"dates: {', '.join(dict.fromkeys(WORDS[order] for order in orders))}")
    return orders


def _verdict(file: CorpusFile) -> Verdict:
    dates: dict[Date, None] = {}
    for line in lines_of(file, Tally(skip_broken=True)):
        if stamp := _STAMP.match(line.text):
            dates[_numbers(stamp)] = None
    return verdict_of(list(dates))


def _numbers(stamp: re.Match[str]) -> Date:
    first, second, third = re.split(r"[./-]", stamp["date"])
    return first, second, third


def _sessions(file: CorpusFile, order: Order, data: Data, tally: Tally) -> Iterator[list[_Message]]:
    pause = timedelta(hours=data.pause)
    longest = longest_message(data)
    session: list[_Message] = []
    for message in _messages(file, order, longest, tally):
        if session and message.when - session[-1].when > pause:
            yield session
            session = []
        elif len(session) == MOST_MESSAGES:
            cut = _pause(session)
            yield session[:cut]
            session = session[cut:]
        session.append(message)
    if session:
        yield session


def _pause(session: Sequence[_Message]) -> int:
    """Return where to cut a session: before the first message after a pause longer than any near.

    So two exports of one chat are cut in the same places, wherever each begins: all that counts is
    what is near. Not every phone writes seconds. Of equal pauses the text decides.
    """
    near = len(session) // 5

    def rank(place: int) -> tuple[timedelta, bytes]:
        before, after = (one.when.replace(second=0) for one in session[place - 1 : place + 1])
        return after - before, sha256("\n".join(session[place].text).encode()).digest()

    falling = sorted(range(1, len(session)), key=rank, reverse=True)
    peaks, longer = [], [0, len(session)]
    for place in falling:
        at = bisect(longer, place)
        if min(place - longer[at - 1], longer[at] - place) > near:
            peaks.append(place)
        longer.insert(at, place)
    return min(peaks, default=next(place for place in falling if place > near))


def _messages(file: CorpusFile, order: Order, longest: int, tally: Tally) -> Iterator[_Message]:
    """Yield the messages that have a text, of each at most `longest` characters."""
    message: _Message | None = None
    goes_on = False  # whether a line without a date belongs to what is left out, or to a message
    for line in lines_of(file, tally):
        place = file.at(line.number)
        stamp = _STAMP.match(line.text)
        if stamp is None:
            if message is not None:
                message.add(line.text, place, tally)
            elif not goes_on:
                tally.broken(place, "neither a date nor a message before it, which it could go on")
            continue
        if message is not None:
            yield message
        message = _message(stamp, line.number, order, longest, place, tally)
        goes_on = True
    if message is not None:
        yield message


def _message(
    stamp: re.Match[str], line: int, order: Order, longest: int, place: str, tally: Tally
) -> _Message | None:
    try:
        when = moment(_numbers(stamp), _time(stamp), order)
    except ValueError:
        tally.broken(
            place, f"{one_line(stamp['date'])} is no date with the {WORDS[order]}, or no time"
        )
        return None
    named = _NAMED.fullmatch(stamp["rest"])
    if named is None:
        tally.leave_out("notices of the messenger", place)
        return None
    text = named["text"]
    if _MEDIA.fullmatch(text.strip()):
        tally.leave_out("messages without text (pictures, calls, what was deleted)", place)
        return None
    name = same_name((named["name"] or named["nick"]).strip("\u200e\u200f\u202a\u202c \t"))
    message = _Message(line, when, name or "?", longest)
    message.add(text, place, tally)
    return message


def _time(stamp: re.Match[str]) -> tuple[int, int, int]:
    """Return hour, minute and second; 12 AM is midnight."""
    hour = int(stamp["hour"])
    if stamp["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("no such hour")
        hour = hour % 12 + (12 if stamp["half"].lower() == "p" else 0)
    return hour, int(stamp["minute"]), int(stamp["second"] or 0)


READER = Reader("messenger log", _recognises, _read)

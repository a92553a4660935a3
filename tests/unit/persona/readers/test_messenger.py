"""Logs of messengers: stamps of several kinds, dates in any order, what is no message."""

import re
from datetime import datetime, timedelta
from random import Random

import pytest

from pipeline.errors import DataError
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.messenger import MOST_MESSAGES
from pipeline.persona.readers.shared.dates import moment, verdict_of
from tests.support.reading import raw, texts


def written(tmp_path, text, name="chat.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


LOG = """\
[13/02/2024, 21:15:00] Messages and calls are end-to-end encrypted.
[13/02/2024, 21:15:03] Ana María: ¿dónde estás? 🚌
[13/02/2024, 21:15:40] Bo: on the bus
it is late: again
[13/02/2024, 21:16:00] Bo: \u200eimage omitted
[13/02/2024, 21:17:00] Ana María: <Media omitted>
[13/02/2024, 21:18:00] Ana María: ok: see you
[14/02/2024, 09:00:00] Bo: morning
"""


def test_a_log_is_told_from_each_side_and_a_pause_ends_a_conversation(tmp_path):
    tally = Tally()
    ana, bo, later = raw(written(tmp_path, LOG), tally)
    assert (ana.person, bo.person, later.person) == ("Ana María", "Bo", "Bo")
    assert texts(bo) == [
        ("user", "¿dónde estás? 🚌"),
        ("assistant", "on the bus\nit is late: again"),
        ("user", "ok: see you"),
    ]
    assert [role for role, _ in texts(ana)] == ["assistant", "user", "assistant"]
    assert texts(later) == [("assistant", "morning")]
    assert ana.conversation == bo.conversation != later.conversation
    assert tally.counts() == {
        "notices of the messenger": 1,
        "messages without text (pictures, calls, what was deleted)": 2,
    }
    assert tally.notes == ["dates: day first"]


def test_the_pause_is_a_choice(tmp_path):
    path = written(tmp_path, LOG)
    assert len(raw(path, pause=12.0)) == 2
    assert len(raw(path, pause=0.02)) == 4  # 80 seconds are a pause, too


@pytest.mark.parametrize(
    "stamp",
    [
        "[2024-03-04 21:15]",
        "[2024-03-04T21:15:09.123Z]",
        "[2024/3/4, 21.15]",
        "4.3.2024, 21:15 -",
        "04.03.24, 21:15 –",
        "[04-03-2024 21:15:09]",
        "\u200e[4/3/24, 9:15:09\u202fPM]",
        "4/3/24, 9:15 p.m. -",
    ],
)
def test_stamps_of_several_messengers(tmp_path, stamp):
    (view,) = raw(written(tmp_path, f"{stamp} Bo: hi\n"))
    assert (view.person, texts(view)) == ("Bo", [("assistant", "hi")])


def test_names_in_angles_are_names(tmp_path):
    (view,) = raw(written(tmp_path, "[2024-03-04 21:15] <bo_99> hi: all\n"))
    assert (view.person, texts(view)) == ("bo_99", [("assistant", "hi: all")])


def log(*dates, time="10:00"):
    return "".join(f"[{date}, {time}] Bo: text {n}\n" for n, date in enumerate(dates))


@pytest.mark.parametrize(
    ("dates", "order", "ambiguous"),
    [
        (["01/02/24", "13/02/24"], "dmy", False),
        (["01/02/24", "01/13/24"], "mdy", False),
        (["2024-02-01", "2024-02-13"], "ymd", False),
        (["01/02/24", "02/02/24", "01/03/24"], "dmy", False),  # else it would go back
        (["02/01/24", "02/02/24", "03/01/24"], "mdy", False),
        (["24/01/02", "24/02/13"], "dmy", False),  # two digits in front: a year only if said
        (["01/02/24"], "dmy", True),
        (["03/03/24"], "dmy", False),  # the same day, whichever is first
    ],
)
def test_the_order_of_dates(dates, order, ambiguous):
    found = verdict_of([tuple(date.replace("-", "/").split("/")) for date in dates])
    assert (found.order, found.ambiguous) == (order, ambiguous)


def test_twelve_hours():
    from pipeline.persona.readers.messenger import _STAMP, _time

    def hour(text):
        return _time(_STAMP.match(f"[1/2/24, {text}] Bo: x"))[0]

    assert [hour(text) for text in ("12:00 AM", "1:00 am", "12:30 PM", "11:59 p.m.")] == [
        0,
        1,
        12,
        23,
    ]
    assert hour("13:00") == 13
    with pytest.raises(ValueError, match="no such hour"):
        hour("13:00 PM")


def test_moments():
    assert moment(("4", "3", "24"), (21, 15, 0), "dmy") == datetime(2024, 3, 4, 21, 15)
    assert moment(("4", "3", "2024"), (0, 0, 0), "mdy") == datetime(2024, 4, 3)
    for wrong in (("31", "2", "24"), ("1", "2", "024"), ("0", "1", "24")):
        with pytest.raises(ValueError, match=r".+"):
            moment(wrong, (0, 0, 0), "dmy")


def test_ambiguous_dates_are_said_and_can_be_set(tmp_path):
    path = written(tmp_path, log("01/02/24", "02/03/24"))
    tally = Tally()
    raw(path, tally)
    assert "chat.txt: its dates can be read in two ways, day first is taken; --" in tally.notes[0]
    again = tmp_path / "more"
    again.mkdir()
    for name in "abc":
        (again / f"{name}.txt").write_text(path.read_text())
    tally = Tally()
    raw(again, tally)
    assert "a.txt: its dates can be read in two ways, day first is taken, as in 2" in tally.notes[0]
    assert len(tally.notes) == 2
    tally = Tally()
    raw(path, tally, dates="mdy")
    assert tally.notes == []
    assert len(raw(path, dates="ymd", skip_broken=True)) == 2


def test_an_ambiguous_log_follows_the_others(tmp_path):
    written(tmp_path, log("01/02/24", "02/03/24"), "a.txt")
    written(tmp_path, log("02/13/24"), "b.txt")
    tally = Tally()
    raw(tmp_path, tally)
    assert tally.notes == ["dates: month first"]


@pytest.mark.parametrize(
    ("line", "values", "problem"),
    [
        ("[31/31/24, 10:00] Bo: x", {}, "31/31/24 is no date with the day first"),
        ("[13/02/24, 25:00] Bo: x", {}, "13/02/24 is no date with the day first, or no time"),
        ("[13/02/24, 10:00] Bo: x", {"dates": "mdy"}, "13/02/24 is no date with the month first"),
    ],
)
def test_a_broken_line_is_named_or_left_out(tmp_path, line, values, problem):
    text = log("01/02/24", "05/02/24") + line + "\n" + log("06/02/24")
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=rf"chat\.txt:3: {problem}.*--skip-broken"):
        raw(path, **values)
    assert len(raw(path, skip_broken=True, **values)) == 3


def test_a_text_before_the_first_message_is_broken(tmp_path):
    path = written(tmp_path, "my chats\n" + log("13/02/24"))
    with pytest.raises(DataError, match=r"chat\.txt:1: neither a date nor a message before it"):
        raw(path)
    assert len(raw(path, skip_broken=True)) == 1


def without_a_pause(messages, *, seconds=True):
    """A log in which somebody writes every few minutes, or always after as long."""
    random, when, lines = Random(5), datetime(2024, 2, 13, 8), []
    for number in range(messages):
        when += timedelta(seconds=random.randint(1, 9999) if seconds else 60)
        shown = f"{when:%d/%m/%Y, %H:%M:%S}" if seconds else f"{when:%d/%m/%Y, %H:%M}"
        lines.append(f"{shown} - {'ab'[number % 2]}: message {number}\n")
    return lines


@pytest.mark.parametrize("seconds", [True, False])
def test_a_log_without_a_pause_is_cut_in_one_way_wherever_it_begins(tmp_path, seconds):
    """Two phones have it from other days on: what both have is cut alike."""
    lines = without_a_pause(6000, seconds=seconds)
    begins = []
    for begin in (0, 1300):
        views = raw(written(tmp_path, "".join(lines[begin:])))
        assert all(len(view.messages) <= MOST_MESSAGES for view in views)
        told = [view.messages for view in views if view.person == views[0].person]
        assert sum(map(len, told)) == len(lines) - begin
        begins.append([messages[0].content for messages in told])
    whole, part = begins
    assert len(whole) > len(part) > 6
    assert len({*part} - {*whole}) <= 2


def test_two_phones_of_which_one_writes_no_seconds_cut_a_log_alike(tmp_path):
    lines = without_a_pause(3000)
    shorter = [re.sub(r":\d\d - ", " - ", line) for line in lines]
    one, other = (raw(written(tmp_path, "".join(log))) for log in (lines, shorter))
    assert len(one) > 6
    assert [view.messages for view in one] == [view.messages for view in other]


@pytest.mark.parametrize("times", ["rising", "falling"])
def test_where_every_pause_is_longer_than_the_last_a_log_is_cut_too(tmp_path, times):
    when, lines = datetime(2024, 2, 13, 8), []
    for number in range(3000):
        when += timedelta(seconds=60 * (number if times == "rising" else 3000 - number) // 20)
        lines.append(f"{when:%d/%m/%Y, %H:%M} - a: message {number}\n")
    views = raw(written(tmp_path, "".join(lines)))
    assert max(len(view.messages) for view in views) <= MOST_MESSAGES
    assert sum(len(view.messages) for view in views) == 3000


@pytest.mark.parametrize(
    "name", ["Ann <3", "Tom & \"Jo\" 'x'", "<3 Eve", "\x1b[31mRed", "Al\u202efred", "[b]<i>B</i>"]
)
def test_whatever_a_name_holds_it_is_a_name(tmp_path, name):
    """Markup, quotes, controls; what is in angle brackets as a whole is a nickname or a notice."""
    log = (
        f"[2024-03-04 21:15] {name}: hi <b>you</b>\n[2024-03-04 21:16] bo: ok\n"
        "[2024-03-04 21:17] \u200e<attached: picture.jpg>\n"
    )
    views = raw(written(tmp_path, log))
    assert {view.person for view in views} == {"bo", name}
    assert [message.content for message in views[0].messages] == ["hi <b>you</b>", "ok"]

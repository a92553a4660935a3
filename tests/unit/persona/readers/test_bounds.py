"""What a conversation of many speakers or a message without an end costs."""

import json

import pytest

from pipeline.errors import DataError
from pipeline.persona.conversation.record import LONGEST_NAME
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers import messenger
from pipeline.persona.readers.shared import speakers
from pipeline.persona.readers.shared.files import CorpusFile
from pipeline.persona.readers.shared.speakers import MOST_SPEAKERS, Said, parts
from pipeline.persona.readers.synthetic_persona_chat import _said
from pipeline.persona.task.record import MOST_SENTENCES
from tests.support.reading import data, raw, texts, tidied


def replies(count):
    """Lines of ConvoKit, each by a new speaker in reply to the one before."""
    lines = (
        {
            "id": f"u{n}",
            "conversation_id": "u0",
            "speaker": f"s{n}",
            "reply_to": f"u{n - 1}" if n else None,
            "text": f"text {n}",
        }
        for n in range(count)
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def written(tmp_path, text, name):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_the_work_for_many_speakers_grows_with_the_lines_alone(tmp_path):
    """2,000 lines took 12 s, four times as long as 1,000; messages are counted, not seconds."""

    def told(lines):
        views = raw(written(tmp_path, replies(lines), "utterances.jsonl"))
        assert len(views) == lines
        return sum(len(view.messages) for view in views)

    assert told(1000) <= 1000 * (MOST_SPEAKERS + 1)
    assert told(2000) <= 2000 * (MOST_SPEAKERS + 1)


def to_one(long, count):
    """Lines of ConvoKit: a long utterance, and short replies to it."""
    ids = ["u0", *(f"u{n}" for n in range(1, count + 1))]
    lines = (
        {
            "id": name,
            "conversation_id": "u0",
            "speaker": "ann" if name == "u0" else "bo",
            "reply_to": None if name == "u0" else "u0",
            "text": long if name == "u0" else f"no, {name}",
        }
        for name in ids
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_many_replies_to_one_long_utterance(tmp_path):
    """2 MB gave 735 MB: each chain had the whole utterance before it."""
    tally = Tally()
    path = written(tmp_path, to_one("x" * 1_000_000, 3000), "utterances.jsonl")
    views = raw(path, tally, longest=None)
    assert sum(len(m.content) for view in views for m in view.messages) < 40 * 100_000
    assert len(views) == 3001  # each is somebody's reply
    assert tally.counts() == {
        "ends of messages that are too long for one": 1,
        "utterances that are not told again before further replies to them": 2999 - 44,
    }


def test_few_replies_have_what_they_reply_to_before_them(tmp_path):
    views = raw(written(tmp_path, to_one("what now ?", 20), "utterances.jsonl"), longest=None)
    assert [texts(view) for view in views[2:]] == [
        [("user", "what now ?"), ("assistant", f"no, u{n}")] for n in range(2, 21)
    ]


def test_an_utterance_is_cut_as_a_message_is(tmp_path, monkeypatch):
    monkeypatch.setattr(speakers, "LONGEST_MESSAGE", 7)
    path = written(tmp_path, to_one("x" * 50, 1), "utterances.jsonl")
    assert raw(path, longest=30)[0].messages[0].content == "x" * 30
    assert raw(path, longest=None)[0].messages[0].content == "x" * 7


def test_candidates_are_one_replys(tmp_path):
    """A short file could give the same long candidates to any number of equal replies."""
    offered = [*(f"no {n}" for n in range(19)), "yes"]
    other = [*(f"not {n}" for n in range(19)), "yes"]
    utterances = [
        {"candidates": offered, "history": ["hi"]},
        {"candidates": other, "history": ["hi", *["yes", "hi"] * 3]},
    ]
    content = {"train": [{"personality": ["i fish ."], "utterances": utterances}]}
    (view,) = raw(written(tmp_path, json.dumps(content), "train.json"))
    assert view.candidates == [offered, other, None, None]


def test_a_log_of_many_speakers_is_cut_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(speakers, "MOST_SPEAKERS", 2)
    log = "".join(f"[13/02/24, 10:0{n}] s{n}: text {n}\n" for n in range(5))
    views = raw(written(tmp_path, log, "chat.txt"))
    assert [len(view.messages) for view in views] == [2, 2, 2, 2, 1]
    assert len({view.conversation for view in views}) == 1  # never in two splits


def test_a_chain_that_is_cut_goes_on_after_its_last_utterance(tmp_path, monkeypatch):
    monkeypatch.setattr(speakers, "MOST_SPEAKERS", 2)
    views = raw(written(tmp_path, replies(4), "utterances.jsonl"))
    assert [view.person for view in views] == ["s0", "s1", "s2", "s3"]
    third = [(message.role, message.content) for message in views[2].messages]
    assert third == [("user", "text 1"), ("assistant", "text 2"), ("user", "text 3")]


def test_few_speakers_stay_in_one_part_however_long():
    said = [Said(f"s{n % MOST_SPEAKERS}", "x") for n in range(5000)]
    assert [len(part) for part in parts(said)] == [5000]


def messages_of(path, **values):
    file, tally = CorpusFile(path, path.name), Tally()
    longest = speakers.longest_message(data(**({"longest": None} | values)))
    return list(messenger._messages(file, "dmy", longest, tally)), tally


@pytest.mark.parametrize("first", ["begins", "x" * 200_000])
def test_of_a_message_without_an_end_a_bounded_text_is_kept(tmp_path, first):
    log = f"[13/02/24, 10:00] Bo: {first}\n" + "goes on and on\n" * 20_000
    (message,), tally = messages_of(written(tmp_path, log, "chat.txt"))
    assert len("\n".join(message.text)) == speakers.LONGEST_MESSAGE
    assert len(message.text) < 10_000
    assert tally.counts() == {"ends of messages that are too long for one": 1}


def test_what_fits_is_kept_to_the_last_character(tmp_path, monkeypatch):
    monkeypatch.setattr(speakers, "LONGEST_MESSAGE", 7)
    path = written(tmp_path, "[13/02/24, 10:00] Bo: abc\ndef\n", "chat.txt")
    (message,), tally = messages_of(path)
    assert ("\n".join(message.text), tally.counts()) == ("abc\ndef", {})
    path = written(tmp_path, "[13/02/24, 10:00] Bo: abc\ndefg\nh\n", "chat.txt")
    (message,), tally = messages_of(path)
    assert "\n".join(message.text) == "abc\ndef"
    assert sum(tally.counts().values()) == 1


def test_whoever_keeps_longer_turns_keeps_longer_messages(tmp_path, monkeypatch):
    monkeypatch.setattr(speakers, "LONGEST_MESSAGE", 7)
    path = written(tmp_path, "[13/02/24, 10:00] Bo: " + "x" * 50 + "\n", "chat.txt")
    (view,) = raw(path, longest=30)
    assert view.messages[0].content == "x" * 30
    (view,) = raw(path, longest=None)
    assert view.messages[0].content == "x" * 7


def test_lines_of_one_cell_are_joined_once():
    """Each line made the whole text of the cell anew before."""
    (one,) = _said("User 1: a\n" + "b\n" * 100_000)
    assert len(one.text) == 200_001


def test_long_names_of_conversations_keep_them_apart(tmp_path):
    """ConvoKit's were cut, so those of one beginning counted as one."""
    begin = "n" * LONGEST_NAME
    with (tmp_path / "utterances.jsonl").open("w") as file:
        for name in (begin + "a", begin + "b", "short"):
            for speaker in ("ann", "bob"):
                record = {"speaker": speaker, "text": "hi", "conversation_id": name}
                file.write(json.dumps(record) + "\n")
    found = [one.conversation for one in tidied(tmp_path / "utterances.jsonl")]
    assert len(set(found)) == 3
    assert "utterances.jsonl:short" in found
    assert max(map(len, found)) == LONGEST_NAME


def test_a_long_path_of_a_messenger_log_is_read(tmp_path):
    """It was a traceback."""
    folder = tmp_path.joinpath(*["d" * 200] * 3)
    folder.mkdir(parents=True)
    (folder / "Ann.txt").write_text("[2024-03-04 21:15] ann: hi\n[2024-03-04 21:16] bob: ho\n")
    assert len(list(tidied(tmp_path))) == 2


def test_a_persona_without_end_is_refused(tmp_path):
    said = [{"role": role, "content": "hi"} for role in ("user", "assistant")]
    lines = [
        json.dumps({"person": "ann", "persona": ["i swim ."] * count, "messages": said})
        for count in (MOST_SENTENCES, MOST_SENTENCES + 1)
    ]
    (read,) = raw(written(tmp_path, lines[0], "a.jsonl"))
    assert len(read.persona) == MOST_SENTENCES
    with pytest.raises(DataError, match=r"b\.jsonl:1: .*persona: List should have at most 100"):
        raw(written(tmp_path, lines[1], "b.jsonl"))

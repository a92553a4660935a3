"""Persona-chat's text in every layout, and Synthetic-Persona-Chat's CSV."""

import pytest

from pipeline.errors import DataError
from pipeline.persona.conversation.tally import Tally
from tests.support.reading import raw, texts, tidied


OWN = "your persona: i grow roses .\nyour persona: i am tall ."
OTHER = "partner's persona: i fly planes .\npartner's persona: i hate rain ."
TALK = "hello !\thi , i garden .\nnice .\tand you ?"
OPENING = "__SILENCE__\tgood day !\nhi .\tbye ."
OFFERED = "|".join(f"no {number}" for number in range(19))


def numbered(*parts):
    lines = "\n".join(part for part in parts if part).split("\n")
    return "".join(f"{number} {line}\n" for number, line in enumerate(lines, start=1))


def with_candidates(talk):
    return "\n".join(
        f"{line}\t\t{OFFERED}|{line.partition(chr(9))[2]}" for line in talk.split("\n")
    )


def written(tmp_path, text, name="train_self_original.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


GARDENER = [
    ("user", "hello !"),
    ("assistant", "hi , i garden ."),
    ("user", "nice ."),
    ("assistant", "and you ?"),
]
PILOT = [("assistant", "hello !"), ("user", "hi , i garden ."), ("assistant", "nice .")]


@pytest.mark.parametrize("talk", [TALK, with_candidates(TALK)], ids=["no_cands", "candidates"])
@pytest.mark.parametrize(
    ("layout", "personas", "expected"),
    [
        ("self", (OWN,), [GARDENER]),
        ("other", (OTHER,), [PILOT]),
        ("both", (OWN, OTHER), [GARDENER, PILOT]),
        ("none", (), [GARDENER]),
    ],
)
def test_every_layout(tmp_path, layout, personas, expected, talk):
    path = written(tmp_path, numbered(*personas, talk), f"valid_{layout}_revised.txt")
    found = tidied(path)
    assert [texts(one) for one in found] == expected
    assert {one.split for one in found} == {"valid"}
    persona = {"self": "i grow roses .", "other": "i fly planes .", "both": "i grow roses ."}
    if layout == "none":
        assert (found[0].person, found[0].persona) == ("valid_none_revised.txt:1", [])
    else:
        assert (found[0].person, found[0].persona[0]) == (None, persona[layout])
    offered = found[0].candidates
    if "|" in talk and layout != "other":
        assert [c[-1] for c in offered] == ["hi , i garden .", "and you ?"]
    else:
        assert offered is None


def test_silence_is_no_message(tmp_path):
    own, other = raw(written(tmp_path, numbered(OWN, OTHER, OPENING), "both.txt"))
    assert texts(own) == [("assistant", "good day !"), ("user", "hi ."), ("assistant", "bye .")]
    assert texts(other) == [("user", "good day !"), ("assistant", "hi ."), ("user", "bye .")]


def test_without_personas_it_is_said_that_nobody_is_known_again(tmp_path):
    tally = Tally()
    one, other = raw(written(tmp_path, numbered(TALK) + numbered(TALK), "none.txt"), tally)
    assert one.person != other.person
    assert tally.notes == ["no personas in it: every dialogue is a person of its own"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("3 no tab", r"was expected, found 0 tabs"),
        ("7 hello\thi", "line number 7 where 3"),
        ("no number", "a line number and a blank were expected"),
        ("3 a\tb\t\tc|d", "2 candidates, 20 were expected"),
    ],
)
def test_a_broken_dialogue_is_named_or_left_out(tmp_path, line, problem):
    good = numbered(OWN, TALK)
    first = numbered(OWN)
    path = written(tmp_path, f"{good}{first}{line}\n{good}")
    with pytest.raises(DataError, match=rf"original\.txt:7: .*{problem}.*--skip-broken"):
        raw(path)
    assert [texts(one) for one in raw(path, skip_broken=True)] == [GARDENER, GARDENER]


def test_several_layouts_of_the_same_dialogues_are_refused(tmp_path):
    for name in ("train_self_original.txt", "train_self_revised.txt", "train_none_original.txt"):
        written(tmp_path, numbered(OWN, TALK), name)
    with pytest.raises(DataError, match=r"several layouts \(none_original, .*'folder/\*_self_rev"):
        raw(tmp_path)


# --- Synthetic-Persona-Chat --------------------------------------------------------------------

CSV = """\
,user 1 personas,user 2 personas,Best Generated Conversation
0,"I am 32.
I do not want a job.","My sister is taller.
I like to ""run"".","User 1: Hi! I'm [user 1's name].
User 2: Hi, nice to meet you.

User 1: Do you run?
Really?
User 2: Yes, daily."
1,I am 33.,,"User 1: Hello
User 2: Bye"
"""


def test_synthetic_persona_chat(tmp_path):
    tally = Tally()
    one, other, alone = raw(written(tmp_path, CSV, "Synthetic-Persona-Chat_test.csv"), tally)
    assert one.persona == ["I am 32.", "I do not want a job."]
    assert other.persona == ["My sister is taller.", 'I like to "run".']
    assert texts(one) == [
        ("assistant", "Hi! I'm [user 1's name]."),
        ("user", "Hi, nice to meet you."),
        ("assistant", "Do you run?\nReally?"),
        ("user", "Yes, daily."),
    ]
    assert one.conversation == other.conversation != alone.conversation
    assert {view.split for view in (one, other, alone)} == {"test"}
    assert tally.counts() == {"views of a speaker without a persona": 1}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2,a,b", "3 columns, 4 were expected"),
        ("2,a,b,They talk.", "does not begin with 'User 1:'"),
        ("2,a,b,", "does not begin with 'User 1:'"),
    ],
)
def test_a_broken_row_is_named_or_left_out(tmp_path, row, problem):
    path = written(tmp_path, f"{CSV}{row}\n2,a,b,User 1: x\n", "s.csv")
    with pytest.raises(DataError, match=rf"s\.csv:12: .*{problem}.*--skip-broken"):
        raw(path)
    assert len(raw(path, skip_broken=True)) == 4


def test_a_cell_without_end_is_named(tmp_path, monkeypatch):
    from pipeline.persona.readers import synthetic_persona_chat

    monkeypatch.setattr(synthetic_persona_chat, "LARGEST_CELL", 1000)
    path = written(tmp_path, CSV + '2,a,b,"User 1: ' + "x\n" * 1000, "s.csv")
    with pytest.raises(DataError, match=r"s\.csv:12: not CSV"):
        raw(path)

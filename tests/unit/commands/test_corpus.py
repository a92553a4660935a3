"""`python -m stages.corpus PATH`: what it says, before anything is trained."""

import shutil
import sys

import pytest

from pipeline.model.sequences.encoding import Encoder
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.task.record import Dialogue, Turn
from stages.commands.corpus import as_read, corpus
from stages.commands.preset import preset
from stages.shell import console
from tests.support.corpora import FORMATS, as_messages, world
from tests.support.toy_project import toy_params, write_params
from tests.wiring.closure import ROOT


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, toy_params())
    return tmp_path


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["corpus", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        console.run(corpus)
    said = capsys.readouterr()
    return caught.value.code or 0, said.out, said.err


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(tmp_path, monkeypatch, capsys, name):
    code, out, _ = run(monkeypatch, capsys, FORMATS[name](world(), tmp_path))
    assert code == 0
    assert f": {name}, " in out
    rows = {line.split()[0]: line.split()[-1] for line in out.splitlines() if line.strip()}
    assert rows["people"].isdigit()
    assert "people of test and valid are drawn by seed" in out
    assert "views of conversations that are held out for another person" in out
    assert out.count("as the model reads it:") == 2
    assert out.count("<|system|> ") > 10


def test_the_numbers_are_those_of_the_corpus(tmp_path, monkeypatch, capsys):
    path = as_messages([talk for talk in world() if talk.speakers[0] != "p2"], tmp_path)
    _, out, _ = run(monkeypatch, capsys, path, "--shown", 0)
    table = [line.split() for line in out.splitlines() if line.strip()]
    people = next(row for row in table if row[0] == "people")
    dialogues = next(row for row in table if row[0] == "dialogues")
    replies = next(row for row in table if row[0] == "replies")
    left = next(int(row[0]) for row in table if row[1:2] == ["views"])
    assert sum(map(int, people[1:4])) == int(people[4])
    assert int(dialogues[4]) == 7 * 2 * 3 - left
    assert int(replies[4]) == 7 * int(dialogues[4])
    assert "as the model reads it" not in out


def test_texts_are_shown_as_text(tmp_path, monkeypatch, capsys):
    wild = "<script>alert(1)</script> \x1b[31m [bold]red[/bold] \u202egnp"
    talks = [talk._replace(said=[(s, wild) for s, _ in talk.said[:2]]) for talk in world()]
    talks = [
        talk._replace(said=[*talk.said, (talk.speakers[1], str(number))])
        for number, talk in enumerate(talks)
    ]
    code, out, _ = run(monkeypatch, capsys, as_messages(talks, tmp_path))
    assert code == 0
    assert "<script>alert(1)</script> \\x1b[31m [bold]red[/bold] \\u202egnp" in out
    assert "\x1b" not in out


def test_a_broken_line_is_an_error_or_counted(tmp_path, monkeypatch, capsys):
    path = as_messages(world(), tmp_path)
    with path.open("a") as file:
        file.write('{"person": "x", "messages": [{"role": "tool", "content": "\x1b"}]}\n')
    code, out, err = run(monkeypatch, capsys, path)
    assert (code, out) == (1, "")
    assert err.startswith("error: own.jsonl:49: ")
    assert err.count("\n") == 1
    code, out, _ = run(monkeypatch, capsys, path, "--skip-broken")
    assert code == 0
    assert "  1 broken lines; first: own.jsonl:49: " in out


@pytest.mark.parametrize(
    ("option", "accepted"),
    [(("--dates", "foo"), "auto, dmy, mdy, ymd"), (("--system", "m\x1b"), "keep, drop")],
)
def test_a_wrong_choice_is_one_line_with_what_is_accepted(
    tmp_path, monkeypatch, capsys, option, accepted
):
    code, _, err = run(monkeypatch, capsys, as_messages(world(), tmp_path), *option)
    assert code == 2
    said = f"{option[0]} is one of {accepted}, not {option[1]!r}; `--help` lists the arguments\n"
    assert err == f"error: Invalid value: {said}"


def test_an_empty_path_and_an_empty_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "mark.txt").write_bytes(b"\xef\xbb\xbf\r\n")
    assert "mark.txt: empty; a corpus has at" in run(monkeypatch, capsys, tmp_path / "mark.txt")[2]
    code, _, err = run(monkeypatch, capsys, "")
    assert (code, err) == (1, "error: the path is empty; give a file, a folder or a pattern\n")


def test_it_says_at_how_many_characters_turns_are_cut(project, monkeypatch, capsys):
    path = as_messages(world(), project)
    said = "turns are cut at 1000 characters (data.longest of params.yaml)"
    assert f"{said}\n" in run(monkeypatch, capsys, path)[1]
    shutil.copytree(ROOT / "presets", project / "presets")
    _, out, _ = run(monkeypatch, capsys, path)
    assert f"{said}; with preset own turns are cut at 300 characters\n" in out
    preset("own", [])
    out = run(monkeypatch, capsys, path)[1]
    assert "turns are cut at 300 characters (data.longest of params.yaml)\n" in out


def test_what_is_shown_is_what_the_model_reads(tokenizer):
    """The segments, joined, are the encoder's own tokens."""
    said = [("assistant", "hi ."), ("user", "hello ?"), ("assistant", "<|user|> 👋")]
    conversation = Conversation.model_validate(
        {
            "person": "p",
            "persona": ["i ski .", "i am tall ."],
            "messages": [{"role": role, "content": text} for role, text in said],
        }
    )
    turns = [
        Turn(partner="__SILENCE__", reply="hi ."),
        Turn(partner="hello ?", reply="<|user|> 👋"),
    ]
    dialogue = Dialogue(dialogue_id="d", persona=conversation.persona, turns=turns)
    (window,) = Encoder(tokenizer, context=256).encode(dialogue)
    decoded = tokenizer.decode(window.ids, clean_up_tokenization_spaces=False)
    assert "".join(as_read(conversation)) == decoded


def test_long_dialogues_are_cut():
    said = [("user", "x" * 1000), ("assistant", "y")] * 20
    conversation = Conversation.model_validate(
        {"person": "p", "messages": [{"role": role, "content": text} for role, text in said]}
    )
    lines = list(as_read(conversation))
    assert len(lines) == 13
    assert lines[0] == f"<|user|> {'x' * 300}… (1000 characters)<|/user|>"
    assert lines[-1] == "… 28 more segments"

"""Adapt and talk: finetune's numbers, a pseudo-terminal, bad input."""

import json
import re
from dataclasses import replace

import pytest

from pipeline import artifacts
from pipeline.errors import ContextError, DataError, ModelError
from pipeline.evaluation.personal.adapted import require_person_fits, room_for_a_persona
from pipeline.evaluation.personal.person import Person
from pipeline.evaluation.personal.start import load_start
from pipeline.evaluation.personal.talk import Talk
from pipeline.evaluation.predict.replies import bare_window
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.inference.reading import read
from pipeline.model.inference.responses import Ending, respond
from pipeline.model.sequences.encoding import ReplySpan, Window
from pipeline.persona.task.record import SILENCE, Turn
from stages.commands import chat as command
from stages.commands.chat import chat
from stages.talk.person import person_of
from stages.talk.terminal import TerminalTalk
from stages.talk.words import losses
from tests.conftest import tiny_gpt2
from tests.support.exports import conversations, save_variant, write_base
from tests.support.terminals import Typed
from tests.support.toy_project import run_stage, toy_params, write_params, write_tasks


@pytest.fixture
def here(tokenizer, tmp_path, monkeypatch):
    """A folder with a trained variant; replies are long, and do not end by themselves."""
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 1), ("valid", 2), ("test", 3)):
        write_tasks(tmp_path, split, count)
    write_base(tokenizer, tiny_gpt2(tokenizer, n_layer=1, n_positions=4096))
    save_variant()
    (tmp_path / "me.jsonl").write_text(conversations(name="ann"))
    return tmp_path


def generating(folder, **changes):
    params = toy_params()
    params["generate"] |= changes
    write_params(folder, params)


def test_the_numbers_are_finetunes(here, capsys, monkeypatch):
    """Before, after, and after a stranger's dialogues, of a test person's held-out dialogue."""
    assert run_stage(here, "finetune", "in_place") == 0
    path = artifacts.predictions_file("in_place")
    records = artifacts.read_records(path, Prediction, made_by="finetune in_place")
    monkeypatch.setattr(command, "TerminalTalk", lambda talk: talk.session)
    monkeypatch.setattr("pipeline.evaluation.personal.session.Session.run", int, raising=False)
    chat("in_place", person=artifacts.tasks_file("test"), name="test1")
    shown = capsys.readouterr().out
    first, second = shown.splitlines()[1:3]
    found = [float(x) for x in re.findall(r"(\d+\.\d{6})", first + second)]

    def loss(protocol, epoch):
        own = [
            r
            for r in records
            if (r.split, r.protocol, r.epoch, r.task_id) == ("test", protocol, epoch, "test1")
        ]
        return sum(r.nll + r.nll_end for r in own) / sum(r.num_tokens + 1 for r in own)

    expected = [loss("leave_one_out", 0), loss("leave_one_out", 1), loss("swap", 1)]
    assert found == pytest.approx(expected, abs=1e-5)
    assert len({round(value, 3) for value in expected}) == 3


def test_in_a_terminal(here):
    generating(here, max_new_tokens=6)
    with Typed("stages.chat", "in_place", "--person", "me.jsonl", folder=here) as talk:
        said = talk.until("you>")
        assert "ann: adapted to 3 dialogues, 1 epochs" in said
        assert re.search(r"held out \(1 dialogue, \d+ tokens\), nats per token: \d+\.\d+ bef", said)
        talk.type("hello there\r")
        talk.until("ann> ")
        assert "side by side" in talk.line("\x1b[31m/both")  # a pasted colour
        assert "before adaptation" in talk.line("and now ?")
        assert "you> hello there" in talk.line("/history")
        assert "taken back: and now ?" in talk.line("/undo")
        assert "said.jsonl: 1 exchanges" in talk.line("/save said.jsonl")
        again = talk.line("/adapt me.jsonl")
        assert "copies of the held-out dialogue that were not adapted to: 1" in again
        assert "dialogues that are there twice and count once: 3" in again
        assert "nothing.jsonl: no such file or folder" in talk.line("/adapt nothing.jsonl")
        talk.type("/quit\r")
        assert talk.end() == 0
    saved = json.loads((here / "said.jsonl").read_text())
    assert [m["role"] for m in saved["messages"]] == ["user", "assistant"]
    assert saved["messages"][0]["content"] == "hello there"
    assert person_of([], [here / "said.jsonl"], "ann").support[0].persona == saved["persona"]


def test_ctrl_c_ends_the_reply_and_not_the_session(here):
    generating(here, max_new_tokens=3800, top_p=0.01)
    with Typed("stages.chat", "in_place", folder=here) as talk:
        talk.until("you>")
        talk.type("hello\r")
        talk.until("nobody> ")
        talk.more(20)  # some of the reply
        talk.type("\x03")
        assert "the reply was stopped; what it had said is kept" in talk.until("you>")
        talk.type("\x03")
        talk.until("/quit or Ctrl-D leaves")
        talk.until("you>")
        talk.type("/history\r")
        talk.until("you> hello")
        talk.until("you>")
        talk.type("\x04")
        assert talk.end() == 0


def test_what_others_wrote_is_shown_as_text(here, capsys):
    talk = Talk(load_start("in_place", 0))
    talk.person = Person("\x1b]0;<b>na\nme</b>&[i]\x07", ())
    talk.session.turns.append(Turn(partner="\x1b[2J", reply="[bold]\x9b31m"))
    shell = TerminalTalk(talk)
    shell._history("")
    shell._alone(iter(["a\x1b[", "31mred [/b]"]), {"adapted": ""})
    out = capsys.readouterr().out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out)
    assert out.count("\\x1b]0;<b>na\\nme</b>&[i]\\x07> ") == 2
    assert "\\x1b[2J" in out
    assert "[bold]\\x9b31m" in out
    assert "a\\x1b[31mred [/b]" in out


def test_a_stream_is_the_sample_that_finetune_draws(here):
    """The same numbers drawn, the same tokens, whatever the history's length."""
    generating(here, max_new_tokens=40)
    talk = Talk(load_start("in_place", 0))
    learner, session = talk.start.learner, talk.session
    for text in ("hello", "do you like books ?"):
        window = session.window(text)
        closing = learner.encoder.format.closing
        span = ReplySpan(0, len(window.ids), len(window.ids) + 1)
        reading = read(
            learner.model,
            learner.parameters(learner.theta),
            Window((*window.ids, closing), (span,)),
        )
        ending = Ending(closing, learner.encoder.forbidden)
        ((expected, _),) = respond(
            reading,
            [span],
            ending,
            top_p=session.generate.top_p,
            temperature=session.generate.temperature,
            uniforms=[session._draws()],
        )
        parts = list(talk.replies(text)["adapted"])
        assert "".join(parts) == learner.encoder.decode(expected)
        assert len(parts) > 3
        session.keep(text, "".join(parts))
    assert bare_window(learner.encoder).ids[0] in session.window("x").ids


def test_old_turns_leave_the_window_whole(here):
    params = toy_params()
    params["generate"]["max_new_tokens"] = 10
    write_params(here, params)
    talk = Talk(load_start("in_place", 0))
    encoder = talk.start.learner.encoder
    talk.session.turns = [Turn(partner=f"question {i}", reply=f"answer {i}") for i in range(5)]
    whole = talk.session.window("last")
    encoder.context = len(whole.ids) + 9
    cut = talk.session.window("last").ids
    opening = encoder.persona([])
    assert cut[len(opening) :] == whole.ids[len(whole.ids) - len(cut) + len(opening) :]
    assert "question 1" in encoder.decode(cut)
    assert "question 0" not in encoder.decode(cut)
    encoder.context = 12
    with pytest.raises(ContextError, match="the context holds 12; say it shorter"):
        talk.session.window("last")


def test_bad_input(here):
    with pytest.raises(ModelError, match="no trained variant 'gone' of seed 0; there are in_place"):
        chat("gone")
    (here / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match=r"empty.jsonl: empty; a corpus has at least one"):
        chat("in_place", support=[here / "empty.jsonl"])
    with pytest.raises(DataError, match=r"params.yaml: of no format that is known"):
        chat("in_place", support=[here / "params.yaml"])
    said = [{"role": "assistant", "content": "hi"}]
    line = {"person": "ann", "persona": ["i like tea . " * 2000], "messages": said}
    (here / "long.jsonl").write_text(json.dumps(line))
    expected = (
        r"dialogue ann/0: its persona 'i like tea \. i like tea .*has \d+ tokens, at most \d+ fit: "
        r"the context holds 4096, with a turn and a response of up to 2 .*; shorten the persona$"
    )
    with pytest.raises(ContextError, match=expected):
        chat("in_place", person=here / "long.jsonl")


def test_what_is_too_long_is_named(here):
    """A persona with its tokens and how many fit; a turn, where no persona would fit."""
    start = load_start("in_place", 0)
    fold = person_of([here / "me.jsonl"], [], None).fold(start.params.finetune)
    dialogue = fold.support[0].model_copy(update={"persona": ["tea"] * 30})
    encoder = start.learner.encoder
    fits = room_for_a_persona(encoder, dialogue, 2)
    has = len(encoder.persona(dialogue.persona))
    short = replace(fold, support=(dialogue,), query=())
    encoder.context = encoder.context - fits + has
    require_person_fits(start.learner, short, start.params)
    encoder.context -= 1
    with pytest.raises(ContextError, match=f"has {has} tokens, at most {has - 1} fit"):
        require_person_fits(start.learner, short, start.params)
    encoder.context -= has
    with pytest.raises(ContextError, match=r"turn \d: .*data.longest, which cuts turns"):
        require_person_fits(start.learner, short, start.params)
    alone = dialogue.turns[0].model_copy(update={"partner": SILENCE, "reply": "a"})
    short = replace(fold, support=(dialogue.model_copy(update={"turns": [alone]}),), query=())
    needed = start.params.generate.model_copy(update={"max_new_tokens": 5})
    params = start.params.model_copy(update={"generate": needed})
    encoder.context = 5
    with pytest.raises(
        ContextError, match="a turn leaves less than 5 of 5 tokens, which a response"
    ):
        require_person_fits(start.learner, short, params)


def test_a_failed_adaptation_changes_nothing(here):
    talk = Talk(load_start("in_place", 0))
    talk.adapt(person_of([here / "me.jsonl"], [], None), lambda *_: None)
    before, person = talk.own, talk.person
    turns = [Turn(partner="and now ?", reply="something else")]
    broken = person.dialogues[0].model_copy(
        update={"persona": ["i like tea ."] * 2000, "turns": turns}
    )
    with pytest.raises(ContextError):
        talk.adapt(talk.with_support([broken], "ann"), lambda *_: None)
    assert talk.own is before
    assert talk.person is person


def test_nothing_measured_is_said(here):
    talk = Talk(load_start("in_place", 0))
    _, measured = talk.adapt(person_of([], [here / "me.jsonl"], None), lambda *_: None)
    assert measured.before is None
    assert "two conversations" in losses(measured, "")[0]

"""The talk as a local page: by gradio's own client and in a browser, where these are installed."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from html import escape
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from pipeline.evaluation.personal.start import load_start
from pipeline.evaluation.personal.talk import Talk
from pipeline.persona.task.record import Turn
from stages.talk import web
from stages.talk.person import people_of
from tests.conftest import tiny_gpt2
from tests.support.browser import browser, program
from tests.support.exports import alone, save_variant, write_base
from tests.support.toy_project import toy_params, write_params
from tests.wiring.closure import ROOT


HOSTILE = "<script>alert(1)</script> *stars* <b>you</b>"
MESSAGES = "[data-testid=user], [data-testid=bot]"
SAID = f"[...document.querySelectorAll('{MESSAGES}')].map(one => one.innerText)"


@pytest.fixture
def talk(tokenizer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_base(tokenizer, tiny_gpt2(tokenizer, n_layer=1))
    params = toy_params()
    params["generate"]["max_new_tokens"] = 8
    write_params(tmp_path, params)
    save_variant()
    return Talk(load_start("in_place", 0))


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary files are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def held(link):
    """What the link to a saved talk gives."""
    (line,) = re.findall(r'<a download="talk.jsonl" href="data:[a-z/]+;base64,(.*?)">', link)
    return base64.b64decode(line)


@pytest.fixture
def url(talk, temporary):
    """The page as `stages.chat --web` serves it."""
    if find_spec("gradio") is None:
        pytest.skip("gradio is an extra package, out of the lock")
    command = [sys.executable, "-W", "ignore", "-m", "stages.chat", "in_place", "--web", "0"]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(line for line in process.stdout if line.startswith("http")).split()[0]
        finally:
            process.send_signal(signal.SIGINT)


def test_without_gradio_a_line_says_what_to_install(talk, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gradio", None)
    with pytest.raises(web.StageError, match="not in the lock: pip install gradio"):
        web.build(talk, [])


def test_columns_grow_and_the_adapted_reply_is_kept(talk):
    turns = []
    shown = list(web.answer(talk, turns, "hello\x1b[2J", both=True))
    text, base, own, kept = shown[-1]
    assert text == ""
    assert base[0] == own[0] == {"role": "user", "content": "hello\\x1b[2J"}
    again = web.shown(kept)
    assert own[1]["content"].strip() == again[1]["content"].strip() != ""
    assert len(shown) > 1
    assert all(one[3] == [] for one in shown[:-1])
    assert web.undone(kept) == ([], [], [])
    assert list(web.answer(talk, kept, "  ", both=False)) == [("", again, again, kept)]


def test_markup_is_shown_as_text(talk):
    *_, (_, _, own, turns) = web.answer(talk, [], HOSTILE, both=False)
    assert own[0]["content"] == web.shown(turns)[0]["content"]
    assert own[0]["content"] == escape(HOSTILE)
    assert turns[0].partner == HOSTILE


def test_each_window_has_a_talk_of_its_own(talk):
    """The history of one is not read by the reply to another, and the adapted model is shared."""
    first = list(web.answer(talk, [], "hello", both=False))[-1][3]
    other = list(web.answer(talk, [], "hello", both=False))[-1][3]
    assert first == other
    assert len(first) == 1
    assert talk.session.turns == []
    longer = list(web.answer(talk, first, "hello", both=False))[-1][3]
    assert [turn.partner for turn in longer] == ["hello", "hello"]
    assert len(first) == 1
    assert talk.apart([]).own is talk.own


def test_a_saved_talk_is_a_file_of_conversations(talk, tmp_path):
    turns = [Turn(partner="hi", reply="hello"), Turn(partner="and ?", reply="fine")]
    path = tmp_path / "talk.jsonl"
    path.write_bytes(held(web.saved(talk, turns)))
    (dialogue,) = people_of(path)["nobody"]
    assert dialogue.turns == turns


def test_a_saved_talk_leaves_nothing_on_the_disk(talk, temporary):
    before = set(temporary.parent.rglob("*"))
    web.saved(talk, [Turn(partner="hi", reply="hello")])
    with pytest.raises(web.PipelineError, match="nothing was said"):
        web.saved(talk, [])
    assert set(temporary.parent.rglob("*")) == before


def test_no_history_of_runs_is_kept(talk, monkeypatch):
    """By a stand-in for the page: gradio's own reads the variable when it is launched."""
    kept = []
    monkeypatch.setenv("GRADIO_RUN_HISTORY", "True")
    page = SimpleNamespace(
        launch=lambda **_: kept.append(os.environ["GRADIO_RUN_HISTORY"]),
        local_url="http://127.0.0.1",
        block_thread=lambda: None,
    )
    monkeypatch.setattr(web, "build", lambda *_: page)
    web.serve(talk, [], 0)
    assert kept == ["False"]


def test_what_is_no_text_is_told_in_a_line(talk):
    """JSON may have half a character, and null."""
    turns = [Turn(partner="hi", reply="hello")]
    history = web.shown(turns)
    told = {"role": "assistant", "content": "(a\\ud800b: no UTF-8 text; type it again)"}
    ((text, base, own, kept),) = web.answer(talk, turns, "a\ud800b", both=True)
    assert (text, base, own, kept) == ("a?b", [*history, told], [*history, told], turns)
    assert list(web.answer(talk, turns, None, both=True)) == [("", history, history, turns)]


VISITORS = r"""
import httpx, json, sys
from gradio_client import Client
url, hostile = sys.argv[1:]
one, other = (Client(url, verbose=False) for _ in range(2))
said = [one.predict(hostile, False, api_name="/talk")[2]]
said.append(other.predict("hello", False, api_name="/talk")[2])
link = one.predict(api_name="/save")
said.append(one.predict(api_name="/undo")[1])
said.append(other.predict("and you ?", False, api_name="/talk")[2])
calls = f"{url.rstrip('/')}/gradio_api/call/talk"
for text in (r'"a\ud800b"', "null"):
    body, kind = f'{{"data": [{text}, false]}}', {"Content-Type": "application/json"}
    event = httpx.post(calls, content=body, headers=kind).json()["event_id"]
    said.append(httpx.get(f"{calls}/{event}").text)
kept = httpx.get(f"{url.rstrip('/')}/config").json().get("run_history")
print(json.dumps([said, link, kept]))
"""


@pytest.mark.slow
def test_the_page_answers_two_visitors_apart(url, temporary):
    answers, link, kept = json.loads(alone(VISITORS, url, HOSTILE))
    first, theirs, undone, longer, half, null = answers
    assert [len(said) for said in (first, theirs, undone, longer)] == [2, 2, 0, 4]
    assert "no UTF-8 text" in half
    assert ("event: complete" in half, "event: complete" in null) == (True, True)
    assert escape(HOSTILE) in str(first[0]["content"])
    said = json.loads(held(link if isinstance(link, str) else link["value"]))
    assert said["messages"][0] == {"role": "user", "content": HOSTILE}
    assert not kept
    assert [path for path in temporary.rglob("*") if path.is_file()] == []


@pytest.mark.slow
@pytest.mark.skipif(program() is None, reason="no browser: MAMLVIAPP_BROWSER names one")
def test_the_page_in_a_browser(url, tmp_path):
    """Both columns, save and undo; nothing that is said does anything."""
    button = "[...document.querySelectorAll('button')].find(one => one.innerText.trim() == '{}')"
    with browser(program(), offline=False) as tab:
        tab.look(1000)
        tab.go(url)
        tab.until("document.querySelectorAll('textarea').length > 1")
        tab.value("window.alerted = 0; window.alert = () => { window.alerted = 1 }")
        tab.value("document.querySelector('input[type=checkbox]').click()")
        tab.value("[...document.querySelectorAll('textarea')].at(-1).id = 'you'")
        tab.type("#you", HOSTILE)
        said = tab.until(f"(found => found.length == 4 && found.every(Boolean) && found)({SAID})")
        assert [HOSTILE in text for text in said] == [True, False, True, False]
        tab.picture(tmp_path / "page.png")
        tab.value(f"{button.format('save')}.click()")
        link = tab.until("document.querySelector('a[download]')?.outerHTML")
        assert json.loads(held(link))["messages"][0] == {"role": "user", "content": HOSTILE}
        tab.value(f"{button.format('undo')}.click()")
        tab.until(f"{SAID}.length == 0")
        assert tab.value("window.alerted") == 0
        assert "Runs" not in tab.value("document.querySelector('footer').innerText")
        assert not [one for one in tab.requests if not one.startswith((url, "data:", "blob:"))]

"""The talk as a local page: driven through gradio's own client, where gradio is installed."""

import pytest

from pipeline.evaluation.personal.start import load_start
from pipeline.evaluation.personal.talk import Talk
from stages.talk import web
from tests.conftest import tiny_gpt2
from tests.support.exports import save_variant, write_base


@pytest.fixture
def talk(tokenizer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_base(tokenizer, tiny_gpt2(tokenizer, n_layer=1))
    save_variant()
    return Talk(load_start("in_place", 0))


def test_without_gradio_a_line_says_what_to_install(talk, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gradio", None)
    with pytest.raises(web.StageError, match="not in the lock: pip install gradio"):
        web.build(talk, [])


def test_columns_grow_and_the_adapted_reply_is_kept(talk):
    shown = list(web.answer(talk, "hello\x1b[2J", both=True))
    _, base, own = shown[-1]
    assert base[0] == own[0] == {"role": "user", "content": "hello\\x1b[2J"}
    assert own[1]["content"] == talk.session.turns[0].reply
    assert len(shown) > 1
    assert web.undone(talk) == ([], [])


@pytest.mark.filterwarnings("ignore")
def test_the_page_answers(talk):
    pytest.importorskip("gradio", reason="gradio is an extra package, out of the lock")
    from gradio_client import Client

    page = web.build(talk, ["<script>alert(1)</script>"])
    page.launch(server_name="127.0.0.1", quiet=True, prevent_thread_lock=True)
    try:
        client = Client(page.local_url, verbose=False)
        _, _, own = client.predict("hello <b>you</b>", False, api_name="/talk")
        texts = [message["content"] for message in own]
        assert "hello <b>you</b>" in str(texts[0])
        assert talk.session.turns[0].partner == "hello <b>you</b>"
        _, own = client.predict(api_name="/undo")
        assert own == []
        assert talk.session.turns == []
    finally:
        page.close()

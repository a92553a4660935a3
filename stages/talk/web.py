"""The talk as a local page, by gradio: an extra package, `pip install gradio`.

All windows share the adapted model. Each has a talk of its own, which gradio keeps for it.
"""

import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from pipeline.errors import PipelineError, StageError, visible
from pipeline.evaluation.personal.talk import Talk, together
from pipeline.persona.task.record import SILENCE, Turn
from stages.shell import console
from stages.talk import words


Messages = list[dict[str, str]]
Turns = list[Turn]

SAVED = "talk.jsonl"


def serve(talk: Talk, said: Sequence[str], port: int) -> None:
    """Show the page on this machine alone until Ctrl-C.

    Raises:
        StageError: gradio is not installed.
    """
    page = build(talk, said)
    # Else the browser keeps what is said, and gradio's page of it offers to send it to the hub.
    os.environ["GRADIO_RUN_HISTORY"] = "False"
    page.launch(
        server_name="127.0.0.1",
        server_port=port or None,
        share=False,
        inbrowser=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    console.say(f"{page.local_url} (this machine alone; Ctrl-C ends it)")
    page.block_thread()


def build(talk: Talk, said: Sequence[str]) -> Any:
    """Return the page: two columns, before adaptation and adapted, on one history.

    What people and models say is shown as text, never as Markdown or HTML.

    Raises:
        StageError: gradio is not installed.
    """
    try:
        import gradio as gr
    except ImportError as error:
        raise StageError(
            f"gradio cannot be imported ({error}); it is not in the lock: pip install gradio"
        ) from error
    # No buttons: gradio's own would send the talk to a public page, or copy it as HTML.
    options = {"render_markdown": False, "height": 420, "buttons": []}
    with gr.Blocks(title=talk.person.shown, analytics_enabled=False) as page:
        turns = gr.State([])
        gr.Textbox("\n".join(map(visible, said)) or "not adapted", label="adaptation", lines=3)
        both = gr.Checkbox(label="before adaptation, too")
        with gr.Row():
            base = gr.Chatbot(label="before adaptation", visible=False, **options)
            own = gr.Chatbot(label=talk.person.shown, **options)
        text = gr.Textbox(label="you", autofocus=True)
        with gr.Row():
            undo, save = gr.Button("undo"), gr.Button("save")
        file = gr.HTML(visible=False)
        both.change(lambda on: gr.Chatbot(visible=on), both, base, api_name=False)
        text.submit(
            lambda said, on, turns: (yield from answer(talk, turns, said, both=on)),
            [text, both, turns],
            [text, base, own, turns],
            concurrency_limit=1,
            api_name="talk",
        )
        undo.click(undone, turns, [base, own, turns], api_name="undo")
        for column in (base, own):
            column.clear(lambda: ([], [], []), None, [base, own, turns], api_name=False)
        save.click(lambda turns: _file(gr, talk, turns), turns, file, api_name="save")
    return page


def answer(
    talk: Talk, turns: Turns, text: str | None, *, both: bool
) -> Iterator[tuple[str, Messages, Messages, Turns]]:
    """Yield the input field, both columns as the replies grow, and what was said.

    The adapted reply is kept. Null, which gradio's API takes for a text, is nothing said.
    """
    history = shown(turns)
    if text is None or not text.strip():
        yield "", history, history, turns
        return
    own = talk.apart([*turns])
    asked = {"role": "user", "content": _as_text(text)}
    said = {"base": "", "adapted": ""}
    before = after = history
    try:
        words.refuse_no_text(text)
        for grown in together(own.replies(text, both=both), said):
            before, after = (
                [*history, asked, {"role": "assistant", "content": _as_text(grown[who])}]
                for who in ("base", "adapted")
            )
            yield "", before, after, turns
    except PipelineError as error:
        wrong = [*history, {"role": "assistant", "content": _as_text(f"({error})")}]
        yield text.encode(errors="replace").decode(), wrong, wrong, turns
        return
    own.session.keep(own.heard(text), said["adapted"])
    yield "", before, after, own.session.turns


def undone(turns: Turns) -> tuple[Messages, Messages, Turns]:
    """Take the last exchange back."""
    left = turns[:-1]
    return shown(left), shown(left), left


def saved(talk: Talk, turns: Turns) -> str:
    """Return a link that holds a talk as a file.

    On the disk gradio would keep a copy for good, which all users of the machine may read.

    Raises:
        DataError: nothing was said.
    """
    line = words.as_line(talk.person.name, talk.session.persona, turns)
    held = b64encode(line.encode()).decode()
    link = f'<a download="{SAVED}" href="data:application/jsonl;base64,{held}">{SAVED}</a>'
    return f"the talk, as --person reads it: {link}"


def _file(gr: Any, talk: Talk, turns: Turns) -> Any:
    """Return the link to a saved talk, or say why there is none."""
    try:
        return gr.HTML(saved(talk, turns), visible=True)
    except PipelineError as error:
        gr.Warning(visible(str(error)))
        return gr.HTML(visible=False)


def shown(turns: Turns) -> Messages:
    """Return the history for both columns; both replies read the adapted one's."""
    messages = []
    for turn in turns:
        if turn.partner != SILENCE:
            messages.append({"role": "user", "content": _as_text(turn.partner)})
        messages.append({"role": "assistant", "content": _as_text(turn.reply)})
    return messages


def _as_text(text: str) -> str:
    """Return what shows a text as it is: gradio takes it for HTML also where it is no Markdown."""
    return escape(visible(text), quote=False)

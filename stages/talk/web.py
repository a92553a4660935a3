"""The talk as a local page, by gradio: an extra package, `pip install gradio`."""

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.errors import PipelineError, StageError, visible
from pipeline.evaluation.personal.talk import Talk
from pipeline.persona.task.record import SILENCE
from stages.shell import console


Messages = list[dict[str, str]]


def serve(talk: Talk, said: Sequence[str], port: int) -> None:
    """Show the page on this machine alone until Ctrl-C.

    Raises:
        StageError: gradio is not installed.
    """
    page = build(talk, said)
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
    options = {"render_markdown": False, "height": 420}
    with gr.Blocks(title=f"{talk.person.name}", analytics_enabled=False) as page:
        gr.Textbox("\n".join(map(visible, said)) or "not adapted", label="adaptation", lines=3)
        both = gr.Checkbox(label="before adaptation, too")
        with gr.Row():
            base = gr.Chatbot(label="before adaptation", visible=False, **options)
            own = gr.Chatbot(label=visible(talk.person.name), **options)
        text = gr.Textbox(label="you", autofocus=True)
        undo = gr.Button("undo")
        both.change(lambda on: gr.Chatbot(visible=on), both, base, api_name=False)
        text.submit(
            lambda said, on: (yield from answer(talk, said, both=on)),
            [text, both],
            [text, base, own],
            concurrency_limit=1,
            api_name="talk",
        )
        undo.click(lambda: undone(talk), None, [base, own], api_name="undo")
        page.load(lambda: shown(talk), None, [base, own], api_name=False)
    return page


def answer(talk: Talk, text: str, *, both: bool) -> Iterator[tuple[str, Messages, Messages]]:
    """Yield the input field and both columns as the replies grow; keep the adapted one."""
    history = list(shown(talk)[1])
    if not text.strip():
        yield "", history, history
        return
    asked = {"role": "user", "content": visible(text)}
    said = {"base": "", "adapted": ""}
    streams = talk.replies(text, both=both)
    try:
        while streams:
            for who in list(streams):
                part = next(streams[who], None)
                if part is None:
                    del streams[who]
                else:
                    said[who] += part
            columns = [
                [*history, asked, {"role": "assistant", "content": visible(said[who])}]
                for who in ("base", "adapted")
            ]
            yield "", columns[0], columns[1]
    except PipelineError as error:
        wrong = [*history, {"role": "assistant", "content": visible(f"({error})")}]
        yield text, wrong, wrong
        return
    talk.session.keep(talk.heard(text), said["adapted"])


def undone(talk: Talk) -> tuple[Messages, Messages]:
    """Take the last exchange back."""
    talk.session.undo()
    return shown(talk)


def shown(talk: Talk) -> tuple[Messages, Messages]:
    """Return the history for both columns; both replies read the adapted one's history."""
    messages = []
    for turn in talk.session.turns:
        if turn.partner != SILENCE:
            messages.append({"role": "user", "content": visible(turn.partner)})
        messages.append({"role": "assistant", "content": visible(turn.reply)})
    return messages, messages

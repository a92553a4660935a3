"""Talk in the terminal: replies appear token by token, Ctrl-C ends a reply and not the session."""

import io
import sys
from collections.abc import Callable, Iterator

from rich import box
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.errors import DataError, PipelineError, one_line
from pipeline.evaluation.personal.person import chosen
from pipeline.evaluation.personal.talk import Talk, together
from pipeline.params.inputs import place_of, refuse_target
from pipeline.persona.task.record import SILENCE
from stages.shell import console
from stages.talk import words
from stages.talk.adapting import adapt
from stages.talk.person import people_of


HELP = """\
/both            show the reply before adaptation beside the adapted one, or stop it
/history         show what was said
/undo            take the last exchange back
/save FILE       write the talk to a file, as --person reads it
/adapt FILE      adapt to further conversations, then go on
/quit            leave (or Ctrl-D)"""


class TerminalTalk:
    """A talk in the terminal."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._both = False
        self._commands: dict[str, Callable[[str], None]] = {
            "/help": lambda _: console.say(HELP),
            "/both": self._switch,
            "/history": self._history,
            "/undo": self._undo,
            "/save": self._save,
            "/adapt": self._adapt,
        }

    def run(self) -> None:
        """Read lines until /quit or the end of the input."""
        console.say("/help lists the commands; /quit or Ctrl-D leaves")
        for line in lines():
            text = line.strip()
            command, _, rest = text.partition(" ")
            if command == "/quit":
                return
            if not text:
                continue
            try:
                words.refuse_no_text(text)
                self._do(command, rest.strip(), text)
            except PipelineError as error:
                console.complain(str(error))
            except OSError as error:
                console.complain(f"{error.filename or 'the system'}: {error.strerror or error}")

    def _do(self, command: str, rest: str, text: str) -> None:
        if command in self._commands:
            self._commands[command](rest)
        elif command.startswith("/"):
            raise DataError(f"no command {one_line(command, 40)}; /help lists them")
        else:
            self._answer(text)

    def _answer(self, text: str) -> None:
        """Show the reply as it comes and keep it; what Ctrl-C leaves of it is kept, too."""
        said = {"base": "", "adapted": ""}
        streams = self._talk.replies(text, both=self._both)
        try:
            if self._both:
                self._side_by_side(streams, said)
            else:
                self._alone(streams["adapted"], said)
        except KeyboardInterrupt as stopped:
            if isinstance(stopped, console.Terminated):
                raise
            console.say("")
            kept = "what it had said is kept" if said["adapted"].strip() else "nothing is kept"
            console.note(f"the reply was stopped; {kept}")
        self._talk.session.keep(self._talk.heard(text), said["adapted"])

    def _alone(self, stream: Iterator[str], said: dict[str, str]) -> None:
        console.out.print(f"{self._talk.person.shown}> ", end="", style="bold", highlight=False)
        for part in stream:
            said["adapted"] += part
            console.out.print(part, end="", highlight=False, markup=False)
        if not said["adapted"].strip():
            console.out.print("(says nothing)", end="", style="dim")
        console.say("")

    def _side_by_side(self, streams: dict[str, Iterator[str]], said: dict[str, str]) -> None:
        """Let both replies grow in turn, in two columns."""
        with Live(console=console.out, auto_refresh=False) as live:
            for grown in together(streams, said):
                live.update(_columns(grown, self._talk.person.shown), refresh=True)
        if not console.out.is_terminal:
            console.say("")

    def _switch(self, _: str) -> None:
        self._both = not self._both
        how = "before adaptation and after it, side by side" if self._both else "adapted alone"
        console.say(f"replies: {how}")

    def _history(self, _: str) -> None:
        turns = self._talk.session.turns
        for turn in turns:
            if turn.partner != SILENCE:
                console.say(f"you> {turn.partner}")
            console.say(f"{self._talk.person.shown}> {turn.reply}")
        if not turns:
            console.say("nothing was said yet")

    def _undo(self, _: str) -> None:
        turn = self._talk.session.undo()
        console.say(f"taken back: {turn.partner}" if turn else "nothing was said yet")

    def _save(self, rest: str) -> None:
        if not rest:
            raise DataError("/save needs the name of a file")
        talk = self._talk
        path = place_of(rest, "/save")
        refuse_target(path, "/save")
        words.save(path, talk.person.name, talk.session.persona, talk.session.turns)
        console.say(f"{rest}: {len(talk.session.turns)} exchanges")

    def _adapt(self, rest: str) -> None:
        if not rest:
            raise DataError("/adapt needs the name of a file of conversations")
        people = people_of(place_of(rest, "/adapt"))
        known = self._talk.person.name
        name = known if known in people else chosen(people, None, one_line(rest))
        adapt(self._talk, self._talk.with_support(people[name], name))


def _columns(said: dict[str, str], name: str) -> Table:
    table = Table(box=box.SIMPLE, expand=True)
    for heading, who in (("before adaptation", "base"), (name, "adapted")):
        table.add_column(Text(heading), ratio=1, overflow="fold")
        said.setdefault(who, "")
    table.add_row(Text(said["base"]), Text(said["adapted"]))
    return table


def lines() -> Iterator[str]:
    """Yield what the user types: with history and editing on a terminal, else from stdin."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="surrogateescape")  # `run` says what is no text
        yield from sys.stdin
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.keys import Keys

    # The library takes a pasted colour (ESC[31m) for a mouse's event, and fails on it.
    keys = KeyBindings()
    keys.add(Keys.Vt100MouseEvent)(lambda _: None)
    prompt: PromptSession[str] = PromptSession(key_bindings=keys)
    while True:
        try:
            yield prompt.prompt("you> ")
        except EOFError:
            return
        except KeyboardInterrupt as stopped:
            if isinstance(stopped, console.Terminated):
                raise
            console.note("/quit or Ctrl-D leaves")

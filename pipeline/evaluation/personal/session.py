"""A conversation with a variant: its history, and replies token by token.

The history that the model reads is the window that training reads: the persona, then as many whole
latest turns as fit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

import torch
from torch import Tensor

from pipeline.errors import ContextError
from pipeline.model.inference.reading import read
from pipeline.model.inference.responses import nucleus
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.encoding import Window
from pipeline.model.sequences.masks import Seen
from pipeline.params import Generate
from pipeline.persona.task.record import Dialogue, Turn


_CUT = "\ufffd"  # what a decoder shows for the first bytes of a letter


@dataclass
class Session:
    """A talk with one person's model.

    Attributes:
        learner: f.
        persona: sentences that begin the window, if the variant reads persona text.
        generate: decoding; `seed` and the number of the turn draw the sample.
        turns: what was said.
    """

    learner: Learner
    persona: list[str]
    generate: Generate
    turns: list[Turn] = field(default_factory=list)

    def reply(self, theta: Mapping[str, Tensor], text: str) -> Iterator[str]:
        """Yield the reply to `text` in parts, as its tokens come; the history is not changed.

        Raises:
            ContextError: persona and text leave no place for a response.
            ModelError: the tokenizer or the format cannot hold the text.
        """
        encoder = self.learner.encoder
        said: list[int] = []
        shown = ""
        for token in self._tokens(theta, self.window(text)):
            said.append(token)
            whole = encoder.decode(said)
            if not whole.endswith(_CUT):
                yield whole[len(shown) :]
                shown = whole
        yield encoder.decode(said)[len(shown) :]

    def keep(self, text: str, reply: str) -> None:
        """Add an exchange to the history; an empty reply is not one."""
        if reply.strip():
            self.turns.append(Turn(partner=text, reply=reply.strip()))

    def undo(self) -> Turn | None:
        """Take the last exchange back and return it; null: there is none."""
        return self.turns.pop() if self.turns else None

    def window(self, text: str) -> Window:
        """Return what is read before a reply to `text`: persona, latest turns, the text."""
        encoder, room = self.learner.encoder, self.generate.max_new_tokens
        opening = encoder.persona(self.persona)
        for first in range(len(self.turns) + 1):
            ids = list(opening)
            for number, turn in enumerate(self.turns[first:]):
                ids += encoder.before_reply(turn.partner, self.persona, first=number == 0)
                ids += (*encoder.segment(turn.reply), encoder.format.closing)
            ids += encoder.before_reply(text, self.persona, first=first == len(self.turns))
            if len(ids) + room <= encoder.context:
                return Window(tuple(ids), ())
        raise ContextError(
            f"the persona and what was said have {len(ids)} tokens, a reply may have {room}, and "
            f"the context holds {encoder.context}; say it shorter"
        )

    @torch.no_grad()
    def _tokens(self, theta: Mapping[str, Tensor], window: Window) -> Iterator[int]:
        """Yield a nucleus sample, without the closing token (Holtzman et al. 2019)."""
        learner, form = self.learner, self.learner.encoder.format
        parameters = learner.parameters(theta)
        reading = read(learner.model, parameters, window)
        cache, hidden = reading.cache(1), reading.hidden[-1:]
        length = len(window.ids)
        for step, draw in enumerate(self._draws()):
            logits = learner.model.logits(parameters, hidden)
            logits[:, list(learner.encoder.forbidden)] = -torch.inf
            uniform = hidden.new_tensor([draw])
            token = nucleus(logits / self.generate.temperature, self.generate.top_p, uniform)
            if int(token) == form.closing:
                return
            yield int(token)
            keys = torch.arange(length + step + 1, device=token.device)[None]
            seen = Seen(torch.ones_like(keys, dtype=torch.bool)[:, None], keys[:, -1:], keys)
            states = learner.model.hidden(parameters, token[:, None], seen=seen, cache=cache)
            hidden = states[:, 0]

    def _draws(self) -> list[float]:
        """Draw a reply's random numbers: the same for every θ, so that replies can be compared."""
        random = Random(f"{self.generate.seed}/talk/{len(self.turns)}")
        return [random.random() for _ in range(self.generate.max_new_tokens)]

    def dialogue(self, name: str) -> Dialogue:
        """Return the talk as a dialogue."""
        return Dialogue(dialogue_id=name, persona=self.persona, turns=self.turns)

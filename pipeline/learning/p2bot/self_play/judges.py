"""The frozen models that judge self-play: φ without context, the transmitter's head, the receiver.

R rollouts; 2T utterances each, the sides in turn; H width. No gradients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.errors import ModelError
from pipeline.learning.p2bot.receiver.network import Receiver, perception, relevance
from pipeline.learning.p2bot.self_play.conversations import FIRST, SECOND, Talk
from pipeline.learning.p2bot.self_play.rewards import (
    Rewards,
    repetition,
    returns,
    scaled,
    value_range,
)
from pipeline.learning.p2bot.self_play.transcript import View
from pipeline.model.network.learner import Learner
from pipeline.model.network.next_utterance import HEAD, scores
from pipeline.model.sequences.batching import Piece, collate
from pipeline.model.sequences.encoding import ReplySpan, Window
from pipeline.params import SelfPlay


IsNext = Callable[[Tensor], Tensor]  # states at closing tokens, (N, H), to P(IsNext), (N,)


def head_of(learner: Learner) -> IsNext | None:
    """Return P(IsNext) by the head in θ; null if θ has no head.

    Raises:
        ModelError: the head ranks candidates and gives no probability of a single one.
    """
    weight = learner.theta.get(HEAD)
    if weight is None:
        return None
    if len(weight) != 2:
        raise ModelError(
            "the coherence reward needs P(IsNext), but this variant's head only ranks candidates; "
            "set its next_utterance to binary, or to null"
        )
    return lambda states: scores(weight, states).exp()


@dataclass(frozen=True)
class Judges:
    """The frozen models that rewards are computed with, and the rewards' weights."""

    transmitter: Learner  # its θ is that before self-play
    receiver: Receiver
    is_next: IsNext | None  # null: the variant has no head that predicts it
    params: SelfPlay
    persona_range: tuple[float, float] | None = None  # of returns; null: of the judged talks

    @torch.no_grad()
    def judge(self, talks: Sequence[Talk]) -> tuple[Rewards, Tensor]:
        """Return each reward of each utterance, and how much it shows of its speaker's persona.

        The second, max_p M[u, p], is (R, 2T), before discounting and scaling.
        """
        perceived, embedded = self.perceived(talks)
        gained = returns(perceived, self.params.gamma)
        rewards = Rewards(
            language=self.language(talks),
            coherence=self.coherence(talks),
            persona=scaled(gained, self.persona_range or value_range(gained)),
            penalty=repetition(embedded),
            weights={
                name: getattr(self.params, name)
                for name in ("language", "coherence", "persona", "penalty")
            },
        )
        return rewards, perceived

    @torch.no_grad()
    def language(self, talks: Sequence[Talk]) -> Tensor:
        """Return φ's mean log p of each utterance's tokens after `<|endoftext|>` alone: (R, 2T)."""
        start = self.receiver.end_of_text
        windows = [
            Window((start, *line.ids), (ReplySpan(0, 1, 1 + len(line.ids)),))
            for talk in talks
            for line in talk.lines[1:]
        ]
        model = self.receiver.model
        batch = collate([Piece(window, window.spans) for window in windows], self._device)
        nll = model.token_nll(self.receiver.phi, batch)
        return -mean_by_span(nll, windows).view(len(talks), -1)

    @torch.no_grad()
    def coherence(self, talks: Sequence[Talk]) -> Tensor | None:
        """Return P(IsNext) - 1/2 of each utterance in its speaker's view: (R, 2T), if predicted."""
        if self.is_next is None:
            return None
        sides = []
        for own in (FIRST, SECOND):
            states = self._closing_states([talk.view(self.transmitter, own) for talk in talks])
            sides.append(self.is_next(states.flatten(0, 1)).view(states.shape[:2]) - 0.5)
        return torch.stack(sides, -1).flatten(1)

    def _closing_states(self, views: Sequence[View]) -> Tensor:
        """Return the transmitter's states at the own utterances' closing tokens: (R, T, H)."""
        longest = max(len(one.window.ids) for one in views)
        ids = [[*one.window.ids, *[0] * (longest - len(one.window.ids))] for one in views]
        learner = self.transmitter
        states = learner.model.hidden(
            learner.parameters(learner.theta), torch.tensor(ids, device=self._device)
        )  # (R, L, H)
        closings = torch.tensor([one.closings for one in views], device=self._device)
        rows = torch.arange(len(views), device=self._device)[:, None]
        return states[rows, closings]

    @torch.no_grad()
    def perceived(self, talks: Sequence[Talk]) -> tuple[Tensor, Tensor]:
        """Return max_p M[u, p] with the speaker's own persona, and all embeddings.

        Returns:
            (R, 2T), and (R, 1 + 2T, H) with the opening first.
        """
        texts = list(dict.fromkeys(text for talk in talks for text in _texts(talk)))
        places = {text: place for place, text in enumerate(texts)}
        table = self.receiver.embed(self.receiver.theta, texts)
        rows, embedded = [], []
        for talk in talks:
            lines = table[[places[line.text] for line in talk.lines]]
            sides = []
            for first, persona in ((1, talk.meeting.first), (2, talk.meeting.second)):
                sentences = table[[places[text] for text in persona]]
                sides.append(perception(relevance(lines[first::2], sentences)))
            rows.append(torch.stack(sides, -1).flatten())
            embedded.append(lines)
        return torch.stack(rows), torch.stack(embedded)

    @property
    def _device(self) -> torch.device:
        return self.transmitter.device


def _texts(talk: Talk) -> list[str]:
    return [*(line.text for line in talk.lines), *talk.meeting.first, *talk.meeting.second]


def mean_by_span(values: Tensor, windows: Sequence[Window]) -> Tensor:
    """Average what `token_nll` gives over each span, in order: (N,) -> (spans,)."""
    lengths = torch.tensor(
        [span.end - span.start for window in windows for span in window.spans],
        device=values.device,
    )
    owners = torch.arange(len(lengths), device=values.device).repeat_interleave(lengths)
    sums = values.new_zeros(len(lengths)).index_add(0, owners, values)
    return sums / lengths

"""Conversations of self-play: two sides of one policy meet and speak in turn. No gradients.

R rollouts, each a meeting of its own or the same one again; T utterances of each side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.learning.p2bot.meetings import Meeting
from pipeline.learning.p2bot.self_play.sampling import Policy, continue_all
from pipeline.learning.p2bot.self_play.transcript import Said, View, prompt, said, view
from pipeline.learning.task_loss.episodes import generator
from pipeline.model.inference.responses import Ending
from pipeline.model.network.learner import Learner
from pipeline.params import SelfPlay


# The side that answers the opening line, and the side that has said it: `own` of `view`.
FIRST, SECOND = 1, 0


@dataclass(frozen=True)
class Talk:
    """One rollout: a meeting and what was said at it, the opening first."""

    meeting: Meeting
    lines: tuple[Said, ...]

    def view(self, learner: Learner, own: int) -> View:
        """Return the conversation as one side reads it; the opening is no reply of either side."""
        persona = self.meeting.first if own == FIRST else self.meeting.second
        seen = view(learner.encoder, persona, self.lines, own=own)
        if own == FIRST:
            return seen
        window = type(seen.window)(seen.window.ids, seen.window.spans[1:])
        return View(window, seen.closings[1:])


def play(
    learner: Learner,
    theta: Mapping[str, Tensor],
    meetings: Sequence[Meeting],
    params: SelfPlay,
    *,
    key: str,
) -> list[Talk]:
    """Let both sides speak `params.turns` times: the first samples, the second is greedy.

    Args:
        learner: f.
        theta: the policy of both sides.
        meetings: R of them.
        params: turns and decoding.
        key: seeds the samples.
    """
    parameters = learner.parameters({name: value.detach() for name, value in theta.items()})
    ending = Ending(learner.encoder.format.closing, learner.encoder.forbidden)
    lines = [[said(learner.encoder, meeting.opening)] for meeting in meetings]
    for turn in range(params.turns):
        for own in (FIRST, SECOND):
            prompts = [
                prompt(learner.encoder, one.first if own == FIRST else one.second, so_far, own=own)
                for one, so_far in zip(meetings, lines, strict=True)
            ]
            policy = _policy(params, greedy=own == SECOND)
            draws = _uniforms(len(meetings), params.max_new_tokens, f"{key}/{turn}")
            draws = draws.to(learner.device)
            utterances = continue_all(learner.model, parameters, prompts, ending, policy, draws)
            for so_far, (ids, closed) in zip(lines, utterances, strict=True):
                so_far.append(Said(tuple(ids), closed, learner.encoder.decode(ids)))
    return [Talk(one, tuple(so_far)) for one, so_far in zip(meetings, lines, strict=True)]


def _policy(params: SelfPlay, *, greedy: bool) -> Policy:
    return Policy(
        top_k=1 if greedy else params.top_k,
        temperature=params.temperature,
        no_repeat_ngram=params.no_repeat_ngram,
        max_new_tokens=params.max_new_tokens,
    )


def _uniforms(rows: int, steps: int, key: str) -> Tensor:
    draw = generator(key, "self-play-samples")
    return torch.tensor([[draw.random() for _ in range(steps)] for _ in range(rows)])


def distinct_2(talks: Sequence[Talk]) -> float:
    """Return the share of distinct bigrams among the first side's, of tokens, over all rollouts.

    It falls when the policy collapses to a few phrases; with no bigram at all it is 0.
    """
    bigrams = [
        pair
        for talk in talks
        for line in talk.lines[1::2]
        for pair in zip(line.ids, line.ids[1:], strict=False)
    ]
    return len(set(bigrams)) / len(bigrams) if bigrams else 0.0


def mean_length(talks: Sequence[Talk]) -> float:
    """Return the first side's mean number of tokens in an utterance, without closing tokens."""
    lengths = [len(line.ids) for talk in talks for line in talk.lines[1::2]]
    return sum(lengths) / len(lengths)

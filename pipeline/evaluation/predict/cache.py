"""A cache beside the language model: the control that shows whether adaptation is more than one.

A cache (Kuhn and De Mori 1990; Grave et al. 2017) knows which tokens a person used, and nothing
else. For every token of a reply, closing token included,

    p = (1 - λ) p_LM + λ p_cache,    p_cache(w) = count of w in the support / tokens of the support.

p_LM is the unadapted model's. The support's tokens are those of the person's own replies, closing
tokens included; the partner's words and the persona text are not counted. p_cache is not smoothed:
the model's share keeps every probability above 0. No torch.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum, log, log1p

from pipeline.evaluation.predict.protocols import Fold
from pipeline.evaluation.predict.reply_score import ReplyScore
from pipeline.model.sequences.encoding import Encoder
from pipeline.persona.task.record import Dialogue


@dataclass(frozen=True)
class CacheMixture:
    """The mixture at each weight λ, for replies that the unadapted model has read.

    Args:
        encoder: the learner's, whose tokens are counted.
        weights: λ, each from 0 (the model alone) to below 1.
    """

    encoder: Encoder
    weights: Sequence[float]

    def nll(self, scores: Sequence[ReplyScore], fold: Fold) -> list[dict[str, float] | None]:
        """Return each reply's nats at each weight, closing token included; null without support."""
        if not (self.weights and fold.support):
            return [None] * len(scores)
        counts = self._counts(fold.support)
        return [
            {
                repr(weight): mixed_nll(*self._tokens(score), counts, weight)
                for weight in self.weights
            }
            for score in scores
        ]

    def _tokens(self, score: ReplyScore) -> tuple[Sequence[int], Sequence[float]]:
        return self._closed(
            score.dialogue.turns[score.turn].reply
        ), score.unadapted or score.token_nll

    def _counts(self, support: Sequence[Dialogue]) -> Counter[int]:
        return Counter(
            token
            for dialogue in support
            for turn in dialogue.turns
            for token in self._closed(turn.reply)
        )

    def _closed(self, reply: str) -> tuple[int, ...]:
        return (*self.encoder.segment(reply), self.encoder.format.closing)


def mixed_nll(
    tokens: Sequence[int], token_nll: Sequence[float], counts: Counter[int], weight: float
) -> float:
    """Return the nats of a reply under the mixture.

    Args:
        tokens: of the reply, the closing one last.
        token_nll: nats of each by the model.
        counts: of the support's tokens, at least one.
        weight: λ.
    """
    total = counts.total()
    return fsum(
        -log((1 - weight) * exp(-nll) + weight * counts[token] / total)
        if weight and counts[token]
        else nll - log1p(-weight)
        for token, nll in zip(tokens, token_nll, strict=True)
    )

"""A model's scores of one reply, and the record that they become in one setting. No torch."""

from dataclasses import dataclass
from math import isfinite
from typing import TypeVar

from pipeline.errors import DivergedError
from pipeline.evaluation.predict.protocols import Fold
from pipeline.evaluation.records.prediction import Prediction, Protocol
from pipeline.persona.task.record import Dialogue
from pipeline.persona.task.text import normalise, words


Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class ReplyScore:
    """The scores of one reply by f_θ, whatever the support, protocol or epoch.

    Raises:
        DivergedError: a number is not finite. So the error comes as soon as the reply is read,
            before a response is drawn from such probabilities; and no file can hold the number.
    """

    dialogue: Dialogue
    turn: int
    token_nll: tuple[float, ...]  # nats; the last is the closing token's
    windows: int  # of the dialogue
    candidate_nll: tuple[float, ...] | None = None
    candidate_tokens: tuple[int, ...] | None = None
    candidate_nll_unconditional: tuple[float, ...] | None = None
    candidate_head: tuple[float, ...] | None = None
    responses: tuple[str, ...] = ()  # Table 1 scores the first
    greedy: str | None = None
    unadapted: tuple[float, ...] | None = None  # nats by θ itself, where θ̂ has no score of epoch 0
    protocol: Protocol | None = None  # where it is not the fold's own: of another persona text

    def likelihood(self) -> "ReplyScore":
        """Return the score without candidates and responses."""
        return ReplyScore(
            self.dialogue, self.turn, self.token_nll, self.windows, protocol=self.protocol
        )

    def __post_init__(self) -> None:
        scores = (
            self.token_nll,
            self.candidate_nll,
            self.candidate_nll_unconditional,
            self.candidate_head,
        )
        not_finite = [value for values in scores for value in values or () if not isfinite(value)]
        if not_finite:
            raise DivergedError(
                f"{self.dialogue.dialogue_id}, reply {self.turn}: a score is {not_finite[0]}; "
                "lower finetune.lr, or train again at lower rates if that is so without fine-tuning"
            )


def prediction(
    score: ReplyScore,
    fold: Fold,
    *,
    split: str,
    seed: int,
    epoch: int,
    cache_nll: dict[str, float] | None = None,
) -> Prediction:
    """Return the record of one reply in one setting."""
    turn = score.dialogue.turns[score.turn]
    ranked = score.candidate_nll is not None
    candidates = [normalise(c) for c in turn.candidates or ()] if ranked else []
    gold = normalise(turn.reply)
    in_support = {normalise(t.reply) for dialogue in fold.support for t in dialogue.turns}
    return Prediction.model_validate(
        {
            "task_id": fold.task_id,
            "dialogue_id": score.dialogue.dialogue_id,
            "turn": score.turn,
            "seed": seed,
            "split": split,
            "protocol": score.protocol or fold.protocol,
            "k": fold.k,
            "epoch": epoch,
            "nll": sum(score.token_nll[:-1]),
            "nll_end": score.token_nll[-1],
            "cache_nll": cache_nll,
            "num_tokens": len(score.token_nll) - 1,
            "num_words": len(words(turn.reply)),
            "windows": score.windows,
            "candidate_nll": _listed(score.candidate_nll),
            "candidate_tokens": _listed(score.candidate_tokens),
            "candidate_nll_unconditional": _listed(score.candidate_nll_unconditional),
            "candidate_head": _listed(score.candidate_head),
            "candidate_equals_gold": [c == gold for c in candidates] if ranked else None,
            "candidate_in_support": [c in in_support for c in candidates] if ranked else None,
            "gold": turn.gold if ranked else None,
            "response": score.responses[0] if score.responses else None,
            "responses": list(score.responses[1:]) or None,
            "greedy": score.greedy,
            "persona": score.dialogue.persona if score.responses else None,
            "reference": turn.reply,
        }
    )


def _listed(values: tuple[Number, ...] | None) -> list[Number] | None:
    return list(values) if values else None

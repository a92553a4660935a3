"""Adapt to a person and measure it, by the functions and numbers of stage `finetune`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

from torch import Tensor

from pipeline.errors import ContextError, one_line
from pipeline.evaluation.personal.person import key_of
from pipeline.evaluation.personal.stranger import swapped_apart
from pipeline.evaluation.predict.protocols import Fold
from pipeline.evaluation.predict.replies import score_dialogue
from pipeline.learning.finetuning.plan import Support
from pipeline.learning.finetuning.room import require_room_to_adapt
from pipeline.learning.finetuning.updates import finetune
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.encoding import Encoder
from pipeline.params import FinetuneParams
from pipeline.persona.task.record import Dialogue, PersonaTask
from pipeline.progress import Advance, untold


Theta = Mapping[str, Tensor]


@dataclass(frozen=True)
class Loss:
    """The loss of held-out replies."""

    nats: float  # per token, closing tokens counted
    tokens: int

    @property
    def perplexity(self) -> float:
        """Per token."""
        return exp(min(self.nats, 700.0))


@dataclass(frozen=True)
class Measured:
    """The held-out loss by θ, after own dialogues, and after a stranger's; null: not measured.

    Attributes:
        known: people who were drawn as strangers and have a conversation of the person.
    """

    before: Loss | None
    after: Loss | None
    stranger: Loss | None
    known: int = 0


def adapt_to(
    learner: Learner, fold: Fold, params: FinetuneParams, epoch: int, advance: Advance
) -> dict[str, Tensor]:
    """Return θ̂ after so many epochs on a fold's support: θ itself without epochs or support.

    Raises:
        DivergedError, TrainingError: as `finetune`; or an update will not fit the memory.
        ContextError: a persona and a single turn exceed the context.
    """
    epochs = {"epochs": list(range(epoch + 1))}
    every = params.finetune.model_copy(update=epochs)
    support = Support(key_of(fold), [learner.encoder.encode(d) for d in fold.support])
    require_room_to_adapt(learner, support, every)
    theta: Mapping[str, Tensor] = learner.theta
    for adapted in finetune(learner, [support], every):
        theta = adapted.theta
        advance(adapted.epoch, "")
    return {name: value.detach().clone() for name, value in theta.items()}


def loss_of(
    learner: Learner, theta: Theta, dialogues: Sequence[Dialogue], params: FinetuneParams
) -> Loss:
    """Return the loss of dialogues' replies, each dialogue read as `finetune` reads it."""
    scores = [
        score
        for dialogue in dialogues
        for score in score_dialogue(learner, theta, dialogue, params.generate, full=False)
    ]
    tokens = sum(len(score.token_nll) for score in scores)
    return Loss(sum(sum(score.token_nll) for score in scores) / tokens, tokens)


def measure(
    learner: Learner,
    fold: Fold,
    own: Theta,
    others: Sequence[PersonaTask],
    params: FinetuneParams,
    epoch: int,
) -> Measured:
    """Return the held-out losses of an adaptation; a stranger is drawn among `others`."""
    if not fold.query:
        return Measured(None, None, None)
    before = loss_of(learner, learner.theta, fold.query, params)
    after = loss_of(learner, own, fold.query, params)
    stranger, known = swapped_apart(fold, others, params.finetune)
    if stranger is None:
        return Measured(before, after, None, known)
    theirs = adapt_to(learner, stranger, params, epoch, untold)
    return Measured(before, after, loss_of(learner, theirs, fold.query, params), known)


def require_person_fits(learner: Learner, fold: Fold, params: FinetuneParams) -> None:
    """Refuse a person whose persona leaves no place for a turn and a response.

    Raises:
        ContextError: names the persona, how many tokens it has and how many fit; or the turn that
            is too long by itself.
    """
    encoder, response = learner.encoder, params.generate.max_new_tokens
    for dialogue in (*fold.support, *fold.query):
        fits = room_for_a_persona(encoder, dialogue, response)
        if (has := len(encoder.persona(dialogue.persona))) <= fits:
            continue
        place = f"dialogue {one_line(dialogue.dialogue_id)}"
        if fits >= len(encoder.persona([])):
            persona = one_line(" ".join(dialogue.persona), 60)
            raise ContextError(
                f"{place}: its persona {persona!r} has {has} tokens, at most {fits} fit: the "
                f"context holds {encoder.context}, with a turn and a response of up to {response} "
                "(generate.max_new_tokens); shorten the persona"
            )
        encoder.encode(dialogue.model_copy(update={"persona": []}))  # names a turn that is too long
        raise ContextError(
            f"{place}: a turn leaves less than {response} of {encoder.context} tokens, which a "
            "response may have (generate.max_new_tokens); shorten the turn, or lower data.longest"
        )


def room_for_a_persona(encoder: Encoder, dialogue: Dialogue, response: int) -> int:
    """Return how many tokens any one turn leaves for the persona.

    Args:
        encoder: of the variant.
        dialogue: whose turns.
        response: tokens that must fit in the place of any reply.
    """
    return encoder.context - max(
        len(encoder.before_reply(turn.partner, dialogue.persona, first=True))
        + max(len(encoder.segment(turn.reply)) + 1, response)  # with its closing token
        for turn in dialogue.turns
    )

"""Training of P² Bot's receiver: a speaker's own persona must score above a stranger's.

The loss is the multi-class margin loss over one own and the drawn personas, with a penalty that
keeps the relevance matrix sparse. The softmax over sentences sharpens as examples are seen, so
that single cells become meaningful although only whole personas are labelled.

E examples, C personas each, U utterances, P sentences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.learning.p2bot.meetings import Example, Voice, example, sentence_pool
from pipeline.learning.p2bot.receiver.network import Receiver, relevance, soft_score
from pipeline.learning.task_loss.episodes import generator
from pipeline.learning.task_loss.theta import Theta
from pipeline.learning.training import loop
from pipeline.learning.training.cost import StepCost
from pipeline.learning.training.learned import Learned
from pipeline.learning.training.rate import Criterion, Schedule
from pipeline.params import ReceiverTraining
from pipeline.persona.task.record import Split


COLUMNS = (
    "step",
    "loss",  # margin loss and sparsity
    "tau",  # sharpness of the softmax over sentences
    "grad_norm",  # before clipping
    "theta_change",  # ‖θ - θ_0‖ after the step
    "valid_loss",  # margin loss on valid
    "valid_hits_at_1",  # percent of valid dialogues whose own persona scores highest
)
_AT_ONCE = 512  # sentences in a pass that only reads


@dataclass(frozen=True)
class ReceiverStep:
    """A step of the receiver's training: what it did besides adding its gradient."""

    loss: float
    tau: float
    replies: int

    @property
    def cost(self) -> StepCost:
        """Not counted: the receiver is no variant, and its cost is compared with none."""
        return StepCost.zero()

    @property
    def outer_replies(self) -> int:
        """All utterances are in the loss."""
        return self.replies

    def row(self) -> dict[str, float | None]:
        """Return the history's columns."""
        return {"loss": self.loss, "tau": self.tau}


def sharpness(seen: int, params: ReceiverTraining) -> float:
    """Return τ after `seen` examples: min(τ_0 (⌊seen / step⌋ + 1), τ_max)."""
    return min(params.tau_start * (seen // params.tau_examples + 1), params.tau_max)


class Embedded:
    """The embeddings of all sentences of some examples, each computed once."""

    def __init__(self, embeddings: Tensor, texts: Sequence[str]) -> None:
        self._embeddings = embeddings
        self._rows = {text: row for row, text in enumerate(texts)}

    def matrix(self, one: Example) -> Tensor:
        """Return the relevance matrices of an example's personas: (C, U, P)."""
        utterances = self._of(one.utterances)
        return relevance(utterances, torch.stack([self._of(p) for p in one.personas]))

    def _of(self, texts: Sequence[str]) -> Tensor:
        rows = [self._rows[text] for text in texts]
        return self._embeddings[torch.tensor(rows, device=self._embeddings.device)]


def texts_of(batch: Sequence[Example]) -> list[str]:
    """Return the distinct sentences of some examples, in order."""
    said = (text for one in batch for part in (one.utterances, *one.personas) for text in part)
    return list(dict.fromkeys(said))


def texts_of_voices(voices: Sequence[Voice]) -> list[str]:
    """Return the distinct sentences of some voices, in order."""
    said = (text for one in voices for part in (one.utterances, one.persona) for text in part)
    return list(dict.fromkeys(said))


def margin_loss(scores: Tensor, margin: float) -> Tensor:
    """Return (1/C) Σ_{j≠0} max(0, margin - s_0 + s_j) of one example's scores (C,)."""
    own = scores.new_zeros(1, dtype=torch.long)
    return F.multi_margin_loss(scores[None], own, margin=margin)


def sparsity(matrix: Tensor) -> Tensor:
    """Return the mean over personas of Σ|M| / U: (C, U, P) -> ()."""
    return matrix.abs().sum((-2, -1)).mean() / matrix.shape[-2]


def gradient(
    receiver: Receiver,
    theta: Theta,
    batch: Sequence[Example],
    params: ReceiverTraining,
    tau: float,
) -> ReceiverStep:
    """Add the gradient of a batch's mean loss to `theta`'s `.grad`."""
    texts = texts_of(batch)
    embedded = Embedded(receiver.embed(theta, texts), texts)
    matrices = [embedded.matrix(one) for one in batch]
    losses = [
        margin_loss(soft_score(matrix, tau), params.margin) + params.sparsity * sparsity(matrix)
        for matrix in matrices
    ]
    loss = torch.stack(losses).mean()
    loss.backward()
    return ReceiverStep(loss.item(), tau, sum(len(one.utterances) for one in batch))


@torch.no_grad()
def validate(
    receiver: Receiver, theta: Theta, examples: Sequence[Example], params: ReceiverTraining
) -> dict[str, float]:
    """Return the margin loss and Hits@1 (percent) of examples, τ at its end; a tie is no hit."""
    texts = texts_of(examples)
    chunks = [texts[i : i + _AT_ONCE] for i in range(0, len(texts), _AT_ONCE)]
    embedded = Embedded(torch.cat([receiver.embed(theta, chunk) for chunk in chunks]), texts)
    scores = [soft_score(embedded.matrix(one), params.tau_max) for one in examples]
    hits = sum(bool((own[0] > own[1:]).all()) for own in scores)
    loss = sum(margin_loss(own, params.margin).item() for own in scores)
    return {"valid_loss": loss / len(scores), "valid_hits_at_1": 100 * hits / len(scores)}


def valid_examples(voices: Sequence[Voice], params: ReceiverTraining) -> list[Example]:
    """Return every valid voice with its strangers, the same for all seeds and steps."""
    pool = sentence_pool(voices)
    return [
        example(
            voice,
            pool,
            negatives=params.valid_negatives,
            draw=generator(0, "receiver-valid", number),
        )
        for number, voice in enumerate(voices)
    ]


def run(
    receiver: Receiver,
    params: ReceiverTraining,
    voices: Mapping[Split, Sequence[Voice]],
    *,
    seed: int,
    session: loop.Session,
) -> loop.Trained:
    """Train the receiver on the voices of split train; keep the best by Hits@1 on split valid.

    Args:
        receiver: the sentence encoder; its projection is set anew.
        params: section `receiver`.
        voices: of splits train and valid.
        seed: of the batches and of strangers' personas.
        session: keeps the run's state, is told of every step.

    Raises:
        DataError: there are too few persona sentences to draw strangers' personas from.
        TrainingError: a loss is not finite.
    """
    pool = sentence_pool(voices["train"])
    valid = valid_examples(voices["valid"], params)

    def step(learned: Learned, number: int) -> ReceiverStep:
        draw = generator(seed, "receiver", number)
        batch = [
            example(voice, pool, negatives=params.negatives, draw=draw)
            for voice in draw.choices(voices["train"], k=params.batch_size)
        ]
        tau = sharpness(number * params.batch_size, params)
        return gradient(receiver, learned.theta, batch, params, tau)

    receiver.whiten(texts_of_voices(voices["train"]))
    criterion = Criterion("valid_hits_at_1", "highest")
    return loop.run(
        Learned(receiver.theta),
        step,
        lambda learned: validate(receiver, learned.theta, valid, params),
        Schedule(params.lr, params.steps, params, criterion, COLUMNS),
        session,
    )

"""Dialogues of real Persona-chat lengths, made of random tokens; learners of random weights.

Lengths are those of GPT-2 tokens in Persona-chat: about 40 of persona, seven exchanges of two
utterances of about 12 tokens, some 250 in all. What the tokens say does not matter to time.
"""

from dataclasses import dataclass
from random import Random

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from pipeline.learning.task_loss.episodes import Episode
from pipeline.model.base.architecture import architecture_of
from pipeline.model.network.language_model import Attention, LanguageModel
from pipeline.model.network.learner import Learner
from pipeline.model.network.projection import SPECIAL
from pipeline.model.phi.insert import insert_phi
from pipeline.model.sequences.batching import Piece, select, whole
from pipeline.model.sequences.encoding import Encoder, ReplySpan, Window
from pipeline.params import Adapters


WTE = "wte.weight"  # the embedding's plain rows
NUM_SPECIAL = 6
PERSONA = 40  # tokens
EXCHANGES = 7
UTTERANCE = range(9, 16)  # tokens
CONTEXT = 512  # tokens
ADAPTERS = Adapters(bottleneck=32, init_std=0.01)


@dataclass(frozen=True)
class Size:
    """A GPT-2's shape."""

    layers: int
    width: int
    heads: int
    vocabulary: int  # without the special tokens

    @property
    def name(self) -> str:
        """Layers x width."""
        return f"{self.layers}x{self.width}"

    def config(self) -> GPT2Config:
        """Return the configuration: no dropout, so that systems can be compared."""
        return GPT2Config(
            vocab_size=self.vocabulary + NUM_SPECIAL,
            n_layer=self.layers,
            n_embd=self.width,
            n_head=self.heads,
            n_positions=CONTEXT,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
        )


class NoEncoder(Encoder):
    """Stands where a learner keeps its encoder: the dialogues here are token ids from the start."""

    def __init__(self) -> None:
        """Hold nothing."""


def learner(size: Size, attention: Attention, *, adapters: bool = False) -> Learner:
    """Return a randomly initialised learner: all of f is θ, or with `adapters` Φ alone is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        architecture = architecture_of(GPT2LMHeadModel(size.config()))
    generator = torch.Generator().manual_seed(0)
    phi = insert_phi(architecture.trunk, ADAPTERS, generator) if adapters else []
    model = LanguageModel(architecture, num_special=NUM_SPECIAL, attention=attention)
    parameters = model.take_parameters()
    trained = {SPECIAL, *phi} if adapters else set(parameters)
    theta = {n: v.requires_grad_() for n, v in parameters.items() if n in trained}
    fixed = {n: v for n, v in parameters.items() if n not in trained}
    return Learner(model, NoEncoder(), theta, fixed)


def dialogue(size: Size, seed: int) -> Window:
    """Return one dialogue."""
    random = Random(f"dialogue/{seed}")

    def text(length: int) -> list[int]:
        return [random.randrange(size.vocabulary) for _ in range(length)]

    first_special = size.vocabulary
    marks = range(first_special, first_special + NUM_SPECIAL)
    ids = [marks[0], *text(PERSONA), marks[1]]
    spans = []
    for turn in range(EXCHANGES):
        ids += [marks[2], *text(random.choice(UTTERANCE)), marks[3], marks[4]]
        start = len(ids)
        ids += [*text(random.choice(UTTERANCE)), marks[5]]
        spans.append(ReplySpan(turn, start, len(ids)))
    return Window(tuple(ids), tuple(spans))


def same_dialogue_episode(size: Size, seed: int, *, replies: int | None = None) -> Episode:
    """Return an episode whose support and query are one dialogue, or its first `replies`."""
    window = dialogue(size, seed)
    pieces = whole([window]) if replies is None else select([window], slice(0, replies))
    return Episode(str(seed), (pieces,), pieces)


def episodes(size: Size, tasks: int) -> list[Episode]:
    """Return one episode per task: a whole dialogue of support, another one of query."""
    return [
        Episode(str(i), (whole([dialogue(size, 2 * i)]),), whole([dialogue(size, 2 * i + 1)]))
        for i in range(tasks)
    ]


def replies_of(pieces: list[Piece]) -> list[tuple[tuple[int, ...], int]]:
    """Return each reply with its whole history, as an example of its own: (ids, reply's start)."""
    return [(p.window.ids[: span.end], span.start) for p in pieces for span in p.spans]

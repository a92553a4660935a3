"""A really pre-trained model's shape: SmolLM2-135M's Llama with random weights, real lengths.

The meta-step here is of one task: a dialogue of support, another of query, about 285 tokens each,
in plain format, so without special tokens. Every system runs once a round, on processor time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal

import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.dialogues import NUM_SPECIAL, NoEncoder
from benchmarks.found import Found
from benchmarks.obvious import padded
from benchmarks.ours import clear
from benchmarks.timing import ratio
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.meta import maml
from pipeline.learning.task_loss.episodes import Episode
from pipeline.learning.training import supervised
from pipeline.model.base.architecture import architecture_of
from pipeline.model.network.frozen_trunk import frozen_trunk
from pipeline.model.network.language_model import Attention, LanguageModel
from pipeline.model.network.learner import Learner
from pipeline.model.network.projection import SPECIAL
from pipeline.model.phi.insert import insert_phi
from pipeline.model.sequences.batching import whole
from pipeline.model.sequences.encoding import ReplySpan, Window
from pipeline.params import Adapters


Kind = Literal["all", "bottleneck", "lora"]
KINDS: tuple[Kind, ...] = ("all", "bottleneck", "lora")
LR = 0.03
LEAST_AGREEMENT = 1e-3  # relative, of float32 meta-gradients


@dataclass(frozen=True)
class Shape:
    """A Llama's shape."""

    layers: int = 30
    width: int = 576
    inner: int = 1536
    heads: int = 9
    key_value_heads: int = 3
    vocabulary: int = 49_152  # without the special tokens

    def config(self) -> LlamaConfig:
        """Return the configuration, the projection tied."""
        return LlamaConfig(
            vocab_size=self.vocabulary + NUM_SPECIAL,
            hidden_size=self.width,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.key_value_heads,
            tie_word_embeddings=True,
            max_position_embeddings=512,
        )

    def model(self) -> LlamaForCausalLM:
        """Return the model with random weights, the same at each call."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return LlamaForCausalLM(self.config()).eval()


def measure(found: Found, shape: Shape, n: int) -> None:
    """Exact over plain for each θ, the obvious loop over ours, and what the frozen trunk saves.

    Raises:
        ValueError: the obvious loop's gradient is another.
    """
    for kind in KINDS:
        exact, plain = learner(shape, kind, "eager"), learner(shape, kind, "sdpa")
        seconds = _rounds({"exact": _meta_step(exact), "plain": _plain_step(plain)}, n)
        found.ratios[f"real_shape.exact_over_plain.{kind}"] = ratio(
            seconds["exact"], seconds["plain"]
        )
        del exact, plain
    ours = learner(shape, "all", "eager")
    loop = _Obvious(shape)
    seconds = _rounds({"ours": _meta_step(ours), "loop": loop.meta_step}, max(1, n // 2))
    found.ratios["real_shape.obvious_loop"] = ratio(seconds["loop"], seconds["ours"])
    if (far := loop.distance(ours)) > LEAST_AGREEMENT:
        raise ValueError(f"the obvious loop's gradient is {far:.1e} from ours")
    del ours, loop
    upper = [shape.layers - shape.layers // 3, shape.layers - 1]
    for kind in KINDS[1:]:
        kept = learner(shape, kind, "eager", blocks=upper)
        read = replace(kept, frozen_trunk=None)
        seconds = _rounds({"read": _meta_step(read), "kept": _meta_step(kept)}, n)
        name = f"real_shape.frozen_trunk.upper_third.{kind}"
        found.ratios[name] = ratio(seconds["read"], seconds["kept"])


def products(found: Found, shape: Shape) -> None:
    """The matrix products of an exact step over those of a plain one, as torch counts them.

    No step can be cheaper by them than this ratio: what a measured ratio has above it is all else.
    """
    for kind in KINDS:
        exact, plain = (
            _operations(step(learner(shape, kind, attention)))
            for step, attention in _STEPS.values()
        )
        found.ratios[f"real_shape.products.{kind}"] = ratio([exact], [plain])


def _operations(step: Callable[[], None]) -> float:
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops())


def learner(shape: Shape, kind: Kind, attention: Attention, *, blocks: Any = "all") -> Learner:
    """Return a learner of random weights: all of f is θ, or Φ of a kind in some blocks alone."""
    architecture = architecture_of(shape.model())
    phi: list[str] = []
    if kind != "all":
        params = Adapters(kind=kind, bottleneck=32, init_std=0.01, rank=8, blocks=blocks)
        phi = insert_phi(architecture.trunk, params, torch.Generator().manual_seed(0))
    model = LanguageModel(architecture, num_special=NUM_SPECIAL, attention=attention)
    parameters = model.take_parameters()
    trained = {SPECIAL, *phi} if phi else set(parameters)
    theta = {n: v.requires_grad_() for n, v in parameters.items() if n in trained}
    fixed = {n: v for n, v in parameters.items() if n not in trained}
    kept = frozen_trunk(model, theta, fixed, phi) if phi else None
    return Learner(model, NoEncoder(), theta, fixed, frozen_trunk=kept)


def episode(vocabulary: int) -> Episode:
    """Return one task."""
    support, query = (whole([_dialogue(vocabulary, seed)]) for seed in range(2))
    return Episode("0", (support,), query)


def _dialogue(vocabulary: int, seed: int) -> Window:
    random = Random(f"real/{seed}")

    def text(least: int, most: int) -> list[int]:
        return [random.randrange(vocabulary) for _ in range(random.randint(least, most))]

    ids, spans = text(45, 55), []
    for turn in range(7):
        ids += text(14, 20)
        start = len(ids)
        ids += text(12, 18)
        spans.append(ReplySpan(turn, start, len(ids)))
    return Window(tuple(ids), tuple(spans))


def _meta_step(own: Learner) -> Callable[[], None]:
    tasks = [episode(own.model.vocab_size)]

    def step() -> None:
        clear(own)
        inner = InnerLoop(list(own.theta), LR, 1, "exact")
        maml.meta_gradient(own, own.theta, tasks, inner)

    return step


def _plain_step(own: Learner) -> Callable[[], None]:
    task = episode(own.model.vocab_size)

    def step() -> None:
        clear(own)
        for pieces in (*task.supports, task.query):
            supervised.gradient(own, own.theta, pieces)

    return step


_STEPS: dict[str, tuple[Callable[[Learner], Callable[[], None]], Attention]] = {
    "exact": (_meta_step, "eager"),
    "plain": (_plain_step, "sdpa"),
}


class _Obvious:
    """What one would write with `transformers` and nothing else, as in `obvious.py`."""

    def __init__(self, shape: Shape) -> None:
        self._model = shape.model()
        self._model.set_attn_implementation("eager")
        self._task = episode(shape.vocabulary)

    def _loss(self, parameters: Mapping[str, Tensor], pieces: Any) -> Tensor:
        ids, labels = padded(pieces)
        inputs = {"input_ids": ids, "labels": labels, "use_cache": False}
        loss: Tensor = functional_call(self._model, dict(parameters), (), inputs).loss
        return loss

    def meta_step(self) -> None:
        """Leave the exact meta-gradient in the parameters' `.grad`."""
        parameters = dict(self._model.named_parameters())
        self._model.zero_grad()
        loss = self._loss(parameters, self._task.support)
        gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
        pairs = zip(parameters.items(), gradients, strict=True)
        adapted = {name: value - LR * gradient for (name, value), gradient in pairs}
        torch.autograd.backward(self._loss(adapted, self._task.query))

    def distance(self, own: Learner) -> float:
        """Return how far the tied table's gradient is from ours, relative to its size."""
        theirs = self._model.get_input_embeddings().weight.grad
        parts = [own.theta[name].grad for name in (own.model.table, SPECIAL)]
        mine = torch.cat([part for part in parts if part is not None])
        assert theirs is not None
        return float((mine - theirs).norm() / theirs.norm())


def _rounds(systems: Mapping[str, Callable[[], None]], n: int) -> dict[str, list[float]]:
    """Run the systems in turn, a round to warm up first; return processor seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(n + 1):
        for name, run in systems.items():
            begin = time.process_time()
            run()
            if number:
                seconds[name].append(time.process_time() - begin)
    return seconds

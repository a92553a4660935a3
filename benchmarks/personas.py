"""K-shot adaptation of many personas: on one resident copy, in one pass, and as one would write it.

Personas differ in K. Every way ends at the same weights, which is checked.
"""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from benchmarks.dialogues import NUM_SPECIAL, WTE, Size, dialogue, learner
from benchmarks.obvious import ObviousLoop, padded
from pipeline.errors import PipelineError
from pipeline.learning.finetuning.plan import Support, plan
from pipeline.learning.finetuning.updates import finetune
from pipeline.model.network.learner import Learner
from pipeline.model.network.projection import SPECIAL
from pipeline.params import Finetune, MaxFolds


SHOTS = (1, 3, 2, 1, 3, 2)  # K of each persona
PARAMS = Finetune(
    seed=0,
    optimizer="sgd",
    lr=0.01,
    batch_size=None,
    epochs=[0, 1],
    k=[0, 1],
    in_context=False,
    max_folds=MaxFolds(valid=None, test=None),
)
LEAST_AGREEMENT = 1e-3  # relative, of what adaptation changes

Thetas = dict[int, Mapping[str, Tensor]]  # of each persona


def supports(size: Size) -> list[Support]:
    """Return what the personas are adapted on."""
    return [
        Support(str(n), [(dialogue(size, 10 * n + i),) for i in range(shots)])
        for n, shots in enumerate(SHOTS)
    ]


def adapted(learner: Learner, those: list[Support], at_once: int) -> Thetas:
    """Adapt by our own fine-tuning; keep the special rows, and the table if it moves."""
    found: Thetas = {}
    for one in finetune(learner, those, PARAMS, at_once=at_once):
        for persona, theta in one.of_each():
            found[persona] = {n: theta[n].detach().clone() for n in (WTE, SPECIAL) if n in theta}
    return found


def fresh_copies(model: GPT2LMHeadModel, those: list[Support]) -> Thetas:
    """Adapt a copy of the model for each persona: one example per reply, all logits."""
    found: Thetas = {}
    for number, support in enumerate(those):
        own = copy.deepcopy(model)
        optimizer = torch.optim.SGD(own.parameters(), lr=PARAMS.lr)
        for update in plan(support, PARAMS):
            ids, labels = padded(update.pieces)
            optimizer.zero_grad()
            torch.autograd.backward(own(input_ids=ids, labels=labels, use_cache=False).loss)
            optimizer.step()
        table = own.transformer.wte.weight.detach()
        found[number] = {WTE: table[:-NUM_SPECIAL].clone(), SPECIAL: table[-NUM_SPECIAL:].clone()}
    return found


def adapters(size: Size) -> dict[str, Callable[[], Thetas]]:
    """Return the two ways to adapt Φ, the same to rounding."""
    those, own = supports(size), learner(size, "sdpa", adapters=True)
    ways = {
        "one_by_one": lambda: adapted(own, those, 1),
        "in_one_pass": lambda: adapted(own, those, len(those)),
    }
    return _checked(ways, own)


def whole_models(size: Size) -> dict[str, Callable[[], Thetas]]:
    """Return our way to adapt all of f, and that which comes to mind first."""
    those, own = supports(size), learner(size, "sdpa")
    model = ObviousLoop(size, own).model
    model.set_attn_implementation("sdpa")  # what `from_pretrained` gives
    ways = {
        "one_by_one": lambda: adapted(own, those, 1),
        "fresh_copies": lambda: fresh_copies(model, those),
    }
    return _checked(ways, own)


def _checked(
    ways: dict[str, Callable[[], Thetas]], start: Learner
) -> dict[str, Callable[[], Thetas]]:
    """Return the ways, warm, if they agree.

    Raises:
        PipelineError: they end elsewhere.
    """
    changes = [_changes(way(), start) for way in ways.values()]
    far = ((changes[0] - changes[1]).norm() / changes[0].norm()).item()
    if far > LEAST_AGREEMENT:
        raise PipelineError(f"k_shot: {' and '.join(ways)} end {far:.1e} apart")
    return ways


def _changes(thetas: Thetas, start: Learner) -> Tensor:
    parts = [
        (value - start.theta[name].detach()).flatten()
        for _, theta in sorted(thetas.items())
        for name, value in theta.items()
    ]
    return torch.cat(parts)

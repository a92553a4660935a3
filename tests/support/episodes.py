"""Toy episodes, and what the equivalence tests of meta-gradients do with them."""

from dataclasses import replace

import pytest
import torch

from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.meta.maml import meta_gradient
from pipeline.learning.task_loss.episodes import Episode
from pipeline.model.sequences.batching import select, whole
from tests.conftest import AXES, a_dialogue


CPU = torch.device("cpu")


LR = 0.05


def episodes(learner):
    encode = learner.encoder.encode
    return [
        Episode(
            "a", (whole(encode(a_dialogue(0, turns=2))),), whole(encode(a_dialogue(1, turns=1)))
        ),
        Episode(
            "b",
            (select(encode(a_dialogue(2)), slice(1, 3)),),
            select(encode(a_dialogue(3)), slice(0, 2)),
        ),
    ]


def several(learner):
    """The first task has two support dialogues, the second has no more than one."""
    more = whole(learner.encoder.encode(a_dialogue(4, turns=2)))
    first, second = episodes(learner)
    return [replace(first, supports=(*first.supports, more)), second]


def leaves(learner):
    return {name: value.clone().requires_grad_() for name, value in learner.theta.items()}


def inner_of(learner, kind="exact", steps=1, lr=LR, **options):
    return InnerLoop(list(learner.theta), lr, steps, kind, **options)


def ours(learner, kind, steps, **options):
    theta = leaves(learner)
    inner = inner_of(learner, kind, steps, **options)
    report = meta_gradient(learner, theta, episodes(learner), inner)
    return {name: value.grad for name, value in theta.items()}, report


MATRIX = [
    pytest.param(name, steps, {"recompute": recompute, "tasks_at_once": tasks}, id="-".join(parts))
    for name in AXES
    for steps in (1, 3)
    for recompute in (False, True)
    for tasks in ((1, 2) if name == "extra_place" else (1,))
    for parts in [(name, f"{steps}step", "again" if recompute else "kept", f"{tasks}task")]
]


def plain_tasks(drawn, steps):
    """Episodes as the reference takes them: a support set for each step, and the query set."""
    return [([e.supports[step % len(e.supports)] for step in range(steps)], e.query) for e in drawn]

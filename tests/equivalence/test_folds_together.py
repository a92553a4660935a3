"""Folds adapted and scored in shared passes: the numbers of one after the other, in float64."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from pipeline.errors import TrainingError
from pipeline.evaluation.predict.folds_together import Question, score_together
from pipeline.evaluation.predict.persona import PersonaRun
from pipeline.evaluation.predict.replies import score_dialogue
from pipeline.learning.finetuning.plan import Support
from pipeline.learning.finetuning.updates import finetune
from pipeline.params import FinetuneParams, Generate, MaxFolds
from pipeline.persona.task.record import PersonaTask
from tests.conftest import LINES, a_dialogue
from tests.support.finetuning import finetune_params


SIZES = (2, 0, 5, 1, 3, 2)  # dialogues of each fold's support


settings = partial(finetune_params, k=[0, 1, 2], max_folds=MaxFolds(valid=None, test=2))


def supports(learner):
    encode = learner.encoder.encode
    return [
        Support(f"fold {n}", [encode(a_dialogue(10 * n + i, turns=1 + i)) for i in range(size)])
        for n, size in enumerate(SIZES)
    ]


def adapted(learner, params, at_once):
    """θ̂ by (fold, epoch), and how many folds came together."""
    found, together = {}, []
    for one in finetune(learner, supports(learner), params, at_once=at_once):
        together.append(len(one.folds))
        for fold, theta in one.of_each():
            found[fold, one.epoch] = {n: v.detach().clone() for n, v in theta.items()}
    return found, together


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("at_once", [3, 16])
def test_folds_together_are_folds_one_by_one(make_learner, optimizer, batch_size, at_once):
    learner = make_learner("extra_place", double=True)
    params = settings(optimizer=optimizer, batch_size=batch_size)
    one_by_one, alone = adapted(learner, params, 1)
    together, sizes = adapted(learner, params, at_once)
    assert set(alone) == {1}
    assert set(sizes) == ({3, 2} if at_once == 3 else {5})
    expected = {(n, epoch) for n, size in enumerate(SIZES) if size for epoch in (1, 3)}
    assert one_by_one.keys() == together.keys() == expected
    for key, theta in one_by_one.items():
        assert theta.keys() == together[key].keys()
        for name, value in theta.items():
            # Adam's first steps are of size lr whatever the gradient: they lift rounding.
            torch.testing.assert_close(together[key][name], value, rtol=1e-9, atol=1e-9)
            assert name == "special.weight" or not torch.equal(value, learner.theta[name])


def test_learned_rates_hold_for_every_fold(make_learner):
    rates = {"special.weight": 0.02, "h.0.attn.adapter.up.weight": 0.3}
    learner = replace(make_learner("extra_place", double=True), inner_rates=rates)
    one_by_one, _ = adapted(learner, settings(), 1)
    together, sizes = adapted(learner, settings(), 16)
    assert set(sizes) == {5}
    for key, theta in one_by_one.items():
        for name, value in theta.items():
            torch.testing.assert_close(together[key][name], value, rtol=1e-12, atol=1e-12)
            assert torch.equal(together[key][name], learner.theta[name]) == (name not in rates)


def test_folds_that_need_their_own_table_stay_one_at_a_time(make_learner):
    learner = make_learner("in_place")
    one_by_one, _ = adapted(learner, settings(), 1)
    asked_together, sizes = adapted(learner, settings(), 16)
    assert set(sizes) == {1}
    for key, theta in one_by_one.items():
        assert all(torch.equal(asked_together[key][name], value) for name, value in theta.items())


def test_the_fold_that_diverges_is_named(make_learner):
    learner = make_learner("extra_place", double=True)
    folds = supports(learner)
    wrong = learner.encoder.encode(a_dialogue(7))
    bad = [tuple(replace(w, ids=tuple(0 for _ in w.ids)) for w in wrong)] * 5

    class Poisoned(type(learner)):
        def losses(self, theta, batch):
            zero = (batch.ids == 0).all(-1)
            return super().losses(theta, batch) / torch.where(zero, 0.0, 1.0)

    poisoned = Poisoned(learner.model, learner.encoder, learner.theta, learner.fixed)
    with pytest.raises(TrainingError, match=r"bad, epoch 1: loss inf; lower finetune\.lr"):
        list(finetune(poisoned, [*folds, Support("bad", bad)], settings(), at_once=16))


def with_candidates(dialogue):
    turns = [
        turn.model_copy(update={"candidates": [LINES[0], turn.reply, LINES[1]], "gold": 1})
        for turn in dialogue.turns
    ]
    return dialogue.model_copy(update={"turns": turns})


def personas():
    """Three of different size; the last has too few dialogues for K-shot."""
    return [
        PersonaTask(
            task_id=f"test-{persona}",
            split="test",
            dialogues=[with_candidates(a_dialogue(10 * persona + n)) for n in range(size)],
        )
        for persona, size in enumerate((5, 4, 2))
    ]


def records_of(learner, at_once, split):
    params = FinetuneParams(
        seeds=[0],
        finetune=settings(lr=0.01),
        generate=Generate(seed=0, top_p=0.92, temperature=1.0, samples=1, max_new_tokens=4),
    )
    tasks = personas()
    run = PersonaRun(learner, 0, tasks, params, at_once)
    return run.valid(tasks) if split == "valid" else run.test(tasks, 1)


NUMBERS = ("nll", "nll_end", "candidate_nll", "candidate_nll_unconditional")


@pytest.mark.parametrize("split", ["valid", "test"])
def test_records_are_the_same_in_the_same_order(make_learner, split):
    learner = make_learner("extra_place", double=True, n_positions=512)
    one_by_one = records_of(learner, 1, split)
    together = records_of(learner, 7, split)
    assert [len(own) for own in together] == [len(own) for own in one_by_one]
    flat, expected = (
        [record.model_dump() for own in records for record in own]
        for records in (together, one_by_one)
    )
    assert {r["epoch"] for r in expected} == {0, 1, 3}
    ranked = {(r["protocol"], r["epoch"]) for r in expected if r["candidate_nll"]}
    everything = {(protocol, epoch) for protocol in ("leave_one_out", "k_shot") for epoch in (0, 1)}
    assert ranked == (set() if split == "valid" else everything | {("swap", 0)})
    for found, record in zip(flat, expected, strict=True):
        for name in NUMBERS:
            near = record.pop(name)
            assert found.pop(name) == (near if near is None else pytest.approx(near, abs=1e-9))
        assert found == record


def test_one_persona_at_a_time_gives_the_same_bytes(make_learner):
    """On a CPU: what the other personas are does not touch a persona's records."""
    learner = make_learner("in_place", n_positions=512)
    every = records_of(learner, 1, "test")
    params = FinetuneParams(
        seeds=[0],
        finetune=settings(lr=0.01),
        generate=Generate(seed=0, top_p=0.92, temperature=1.0, samples=1, max_new_tokens=4),
    )
    run = PersonaRun(learner, 0, personas(), params)
    assert [run.test([task], 1)[0] for task in personas()] == every


def test_each_window_is_read_by_its_own_theta(make_learner):
    """A long dialogue in several windows beside a short one, at three different θ̂."""
    learner = make_learner("extra_place", double=True)
    generator = torch.Generator().manual_seed(0)
    thetas = [
        {n: v + 0.1 * torch.randn(v.shape, generator=generator).double() for n, v in theta.items()}
        for theta in [learner.theta] * 3
    ]
    stacked = {name: torch.stack([theta[name] for theta in thetas]) for name in learner.theta}
    generate = Generate(seed=0, top_p=0.92, temperature=1.0, samples=1, max_new_tokens=4)
    questions = [
        Question(2, a_dialogue(1, turns=14)),
        Question(0, a_dialogue(2, turns=2)),
        Question(0, a_dialogue(1, turns=14)),
        Question(1, a_dialogue(3)),
    ]
    found = score_together(learner, stacked, questions, generate, at_once=3)
    for (place, dialogue), scores in zip(questions, found, strict=True):
        expected = score_dialogue(learner, thetas[place], dialogue, generate, full=False)
        assert [(s.turn, s.windows) for s in scores] == [(s.turn, s.windows) for s in expected]
        for score, other in zip(scores, expected, strict=True):
            assert score.token_nll == pytest.approx(other.token_nll, abs=1e-10)
    assert found[0][0].windows > 1

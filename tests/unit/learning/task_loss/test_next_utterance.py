"""What next-utterance prediction learns from, that it leaks nothing, and that it learns."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import TrainingError
from pipeline.evaluation.metrics.ranking import hits_at_1_by_head
from pipeline.evaluation.predict.protocols import Fold
from pipeline.evaluation.predict.replies import score_dialogue
from pipeline.evaluation.predict.reply_score import prediction
from pipeline.learning.finetuning.plan import Support, plan
from pipeline.learning.task_loss.next_utterance import attaching
from pipeline.learning.training.supervised import gradient
from pipeline.model.sequences.batching import whole
from pipeline.params import Generate, MaxFolds, NextUtterance, Variant
from pipeline.persona.task.record import Dialogue
from tests.conftest import a_dialogue
from tests.support.finetuning import finetune_params


OBJECTIVE = NextUtterance(head="choice", lm_coef=1.0, coef=1.0, candidates=4)
GENERATE = Generate(seed=0, top_p=0.9, temperature=1.0, samples=1, max_new_tokens=3)


def with_candidates(number: int, gold: int = 0, size: int = 6) -> Dialogue:
    """A dialogue whose replies have `size` candidates, the true one at `gold`."""
    dialogue = a_dialogue(number)
    turns = []
    for i, turn in enumerate(dialogue.turns):
        others = [f"other {j} dogs {number} {i}" for j in range(size - 1)]
        candidates = [*others[:gold], turn.reply, *others[gold:]]
        turns.append(turn.model_copy(update={"candidates": candidates, "gold": gold}))
    return dialogue.model_copy(update={"turns": turns})


@pytest.fixture
def learner(make_learner):
    return make_learner(Variant(init="pretrained", next_utterance=OBJECTIVE), "sdpa")


def texts(learner, piece):
    return [[learner.encoder.decode(ids[:-1]) for ids in row] for row in piece.distractors]


def test_distractors_are_the_replys_own_wrong_candidates(learner):
    dialogue = with_candidates(1, gold=2)
    (piece,) = attaching(OBJECTIVE, 0)(whole(learner.encoder.encode(dialogue)), 5)
    for turn, row, ids in zip(
        dialogue.turns, texts(learner, piece), piece.distractors, strict=True
    ):
        assert len(set(row)) == 3
        assert set(row) <= set(turn.candidates) - {turn.reply}
        assert {one[-1] for one in ids} == {learner.encoder.format.closing}


def test_a_draw_depends_on_seed_step_dialogue_and_turn_alone(learner):
    pieces = whole(learner.encoder.encode(with_candidates(1, size=20)))
    attach = attaching(OBJECTIVE, 0)
    assert attach(pieces, 3) == attach(pieces, 3) == attaching(OBJECTIVE, 0)(pieces, 3)
    assert attach(pieces, 3) != attach(pieces, 4)
    assert attach(pieces, 3) != attaching(OBJECTIVE, 1)(pieces, 3)
    half = [replace(pieces[0], spans=pieces[0].spans[1:])]
    assert attach(half, 3)[0].distractors == attach(pieces, 3)[0].distractors[1:]


def test_where_the_true_reply_stands_changes_nothing(learner):
    found = [
        attaching(OBJECTIVE, 0)(whole(learner.encoder.encode(with_candidates(1, gold=gold))), 0)
        for gold in (0, 5)
    ]
    assert found[0] == found[1]


def test_too_few_are_one_clear_line(learner):
    pieces = whole(learner.encoder.encode(with_candidates(1, size=3)))
    with pytest.raises(TrainingError, match=r"d1, turn 0: 2 distractors, .*candidates 4 needs 3"):
        attaching(OBJECTIVE, 0)(pieces, 0)
    assert attaching(None, 0)(pieces, 0) == pieces


def test_one_that_would_not_fit_is_cut_with_its_closing_token(learner):
    dialogue = with_candidates(1)
    long = " ".join(["dogs"] * 300)
    turns = [t.model_copy(update={"candidates": [t.reply, *[long] * 3], "gold": 0})
             for t in dialogue.turns]  # fmt: skip
    (window,) = learner.encoder.encode(dialogue.model_copy(update={"turns": turns}))
    for span in window.spans:
        assert {len(ids) for ids in span.distractors} == {learner.encoder.context - span.start}
        assert {ids[-1] for ids in span.distractors} == {learner.encoder.format.closing}


def test_fine_tuning_has_no_distractors(learner):
    folds = MaxFolds(valid=1, test=1)
    params = finetune_params(lr=0.1, epochs=[0, 1, 2], k=[0], max_folds=folds)
    dialogues = [learner.encoder.encode(with_candidates(n)) for n in range(3)]
    pieces = [piece for u in plan(Support("fold", dialogues), params) for piece in u.pieces]
    assert pieces
    assert not any(piece.distractors for piece in pieces)


@pytest.mark.parametrize("head", ["choice", "binary"])
def test_it_learns_four_dialogues_by_heart(make_learner, head):
    objective = NextUtterance(head=head, lm_coef=1.0, coef=1.0, candidates=4)
    learner = make_learner(Variant(init="pretrained", next_utterance=objective), "sdpa", n_embd=32)
    dialogues = [with_candidates(n, gold=n) for n in range(4)]
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    optimizer = torch.optim.Adam(theta.values(), lr=0.01)
    attach = attaching(objective, 0)
    pieces = [piece for d in dialogues for piece in whole(learner.encoder.encode(d))]
    before = _hits(learner, dialogues)
    for step in range(150):
        optimizer.zero_grad()
        report = gradient(learner, theta, attach(pieces, step))
        optimizer.step()
    learned = replace(learner, theta={n: v.detach() for n, v in theta.items()})
    assert report.outer_loss < 0.1
    assert before < 60
    assert _hits(learned, dialogues) == 100


def _hits(learner, dialogues):
    records = []
    for dialogue in dialogues:
        fold = Fold("leave_one_out", "p", (), (dialogue,))
        scores = score_dialogue(learner, learner.theta, dialogue, GENERATE, full=True)
        records += [prediction(s, fold, split="test", seed=0, epoch=0) for s in scores]
    return hits_at_1_by_head(records)

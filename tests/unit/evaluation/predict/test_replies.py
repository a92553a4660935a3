"""What `finetune` asks of a model: candidates without context, several samples, and records."""

from dataclasses import replace

import pytest

from pipeline.evaluation.predict.in_context import in_context
from pipeline.evaluation.predict.persona import PersonaRun
from pipeline.evaluation.predict.protocols import Fold, k_shot
from pipeline.evaluation.predict.replies import bare_window, score_dialogue, score_windows
from pipeline.params import Finetune, FinetuneParams, Generate, MaxFolds, Variant
from pipeline.persona.task.record import SILENCE, Dialogue, PersonaTask, Turn
from tests.conftest import LINES, a_dialogue
from tests.support.plain_nll import plain_nll


def generating(samples=1):
    return Generate(seed=0, top_p=0.92, temperature=1.0, samples=samples, max_new_tokens=5)


def with_candidates(dialogue):
    """Four candidates a reply: the gold, two others and a duplicate."""
    turns = [
        turn.model_copy(
            update={"candidates": [LINES[0], turn.reply, LINES[1], LINES[0]], "gold": 1}
        )
        for turn in dialogue.turns
    ]
    return dialogue.model_copy(update={"turns": turns})


@pytest.fixture
def learner(make_learner):
    return make_learner("extra_place", double=True, n_positions=512)


@pytest.mark.parametrize(("marks", "opened"), [("special", "<|system|>"), ("plain", "B:")])
def test_unconditional_scores_see_the_opening_mark_alone(make_learner, tokenizer, marks, opened):
    learner = make_learner(Variant(init="pretrained", format=marks), double=True)
    dialogue = with_candidates(a_dialogue())
    scores = score_dialogue(learner, learner.theta, dialogue, generating(), full=True)
    opening = (*learner.encoder.format.start, *learner.encoder.format.system_open)
    assert tokenizer.decode(opening) == opened
    for score in scores:
        candidates = dialogue.turns[score.turn].candidates
        expected = [plain_nll(learner, opening, learner.encoder.segment(c)) for c in candidates]
        assert score.candidate_nll_unconditional == pytest.approx(expected, abs=1e-8)
        assert score.candidate_nll_unconditional[0] == score.candidate_nll_unconditional[3]
        assert score.candidate_nll != score.candidate_nll_unconditional


def test_a_bare_window_is_a_reply_to_silence_without_persona(learner):
    """As the encoder itself writes it, but for the reply's own tokens."""
    silent = Dialogue(dialogue_id="d", persona=[], turns=[Turn(partner=SILENCE, reply=LINES[0])])
    (window,) = learner.encoder.encode(silent)
    bare = bare_window(learner.encoder)
    assert bare.ids[: bare.spans[0].start] == window.ids[: window.spans[0].start]


def test_without_candidates_nothing_is_ranked(learner):
    scores = score_dialogue(learner, learner.theta, a_dialogue(), generating(), full=True)
    assert {score.candidate_nll_unconditional for score in scores} == {None}


def test_more_samples_change_neither_the_first_nor_the_greedy_response(learner):
    one, three = (
        score_dialogue(learner, learner.theta, a_dialogue(), generating(n), full=True)
        for n in (1, 3)
    )
    assert [len(score.responses) for score in three] == [3, 3, 3]
    assert [score.responses[0] for score in three] == [score.responses[0] for score in one]
    assert [score.greedy for score in three] == [score.greedy for score in one]
    assert len({response for score in three for response in score.responses}) > 3


# --- In context ----------------------------------------------------------------------------------


def a_fold(support=3):
    return Fold(
        "k_shot",
        "p",
        tuple(a_dialogue(n) for n in range(1, support + 1)),
        (with_candidates(a_dialogue(9)),),
    )


def lengths(learner, fold):
    """Tokens of a prompt with 0, 1, ... support dialogues, counted segment by segment."""
    (query,) = fold.query
    encoder = learner.encoder

    def turns(dialogue):
        texts = [text for turn in dialogue.turns for text in (turn.partner, turn.reply)]
        return sum(len(encoder.segment(text)) + 2 for text in texts)

    persona = sum(len(encoder.segment(line)) for line in query.persona) + 2
    found = [persona + turns(query)]
    for dialogue in fold.support:
        found.append(found[-1] + turns(dialogue))
    return found


def test_the_prompt_holds_the_first_dialogues_that_fit(learner):
    fold, shots = a_fold(), [1, 2, 3]
    needed = lengths(learner, fold)
    for context, expected in (
        (needed[3], [1, 2, 3]),
        (needed[3] - 1, [1, 2]),
        (needed[2], [1, 2]),
        (needed[1], [1]),
        (needed[1] - 1, []),
    ):
        learner.encoder.context = context
        found = list(in_context(fold, shots, learner.encoder, room=1))
        assert [f.k for f, _ in found] == expected
        assert [len(window.ids) for _, window in found] == needed[1 : len(found) + 1]
        assert all(f.support == fold.support[: f.k] and f.query == fold.query for f, _ in found)
    learner.encoder.context = needed[2]
    assert [f.k for f, _ in in_context(fold, [3], learner.encoder, room=1)] == [2]
    assert [f.k for f, _ in in_context(fold, [2, 3], learner.encoder, room=1)] == [2]


def test_a_support_turn_too_long_for_the_querys_persona_is_left_out(learner):
    """It fits behind its own persona; the query is scored at K = 0 alone."""
    fold = a_fold()
    long = fold.support[0].turns[0].model_copy(update={"partner": "dogs " * 120})
    support = fold.support[0].model_copy(update={"persona": [], "turns": [long]})
    learner.encoder.context = len(learner.encoder.encode(support)[0].ids)
    fold = replace(fold, support=(support, *fold.support[1:]))
    assert list(in_context(fold, [1, 2], learner.encoder, room=1)) == []


def test_only_the_querys_replies_are_scored_after_the_whole_prompt(learner):
    """Each reply's NLL by one plain pass over persona, support dialogues and history."""
    fold = a_fold(2)
    encoder, marks = learner.encoder, learner.encoder.format
    *_, (found, window) = in_context(fold, [2], encoder, room=1)
    assert found.protocol == "in_context"
    encoded = (fold.query[0], (window,))
    scores = score_windows(learner, learner.theta, encoded, generating(), full=True)
    assert [score.turn for score in scores] == [0, 1, 2]
    prefix = list(marks.persona_open)
    for line in fold.query[0].persona:
        prefix += encoder.segment(line)
    prefix += marks.persona_close
    before = [turn for dialogue in fold.support for turn in dialogue.turns]
    for number, turn in enumerate([*before, *fold.query[0].turns]):
        prefix += [*marks.user_open, *encoder.segment(turn.partner), *marks.user_close]
        prefix += marks.system_open
        reply = [*encoder.segment(turn.reply), marks.closing]
        if number >= len(before):
            score = scores[number - len(before)]
            assert sum(score.token_nll) == pytest.approx(
                plain_nll(learner, prefix, reply), abs=1e-8
            )
            ranked = [plain_nll(learner, prefix, encoder.segment(c)) for c in turn.candidates]
            assert score.candidate_nll == pytest.approx(ranked, abs=1e-8)
        prefix += reply


def a_run(learner, **changes):
    finetune = Finetune(
        **{
            "seed": 0,
            "optimizer": "sgd",
            "lr": 0.01,
            "batch_size": None,
            "epochs": [0, 1],
            "k": [0, 1, 2],
            "in_context": True,
            "max_folds": MaxFolds(valid=1, test=1),
        }
        | changes
    )
    task = PersonaTask(
        task_id="test-0",
        split="test",
        dialogues=[with_candidates(a_dialogue(n)) for n in range(4)],
    )
    params = FinetuneParams(seeds=[0], finetune=finetune, generate=generating(2))
    return PersonaRun(learner, 0, [task], params), task


def test_a_persona_run_writes_every_setting_once(learner):
    run, task = a_run(learner)
    (records,) = run.test([task], 1)
    prompted = [r for r in records if r.protocol == "in_context"]
    query = {d.dialogue_id for d in k_shot(task, run.params.finetune)[0].query}
    assert {r.dialogue_id for r in prompted} == query
    assert {(r.k, r.epoch) for r in prompted} == {(1, 0), (2, 0)}
    keys = [(r.protocol, r.k, r.epoch, r.dialogue_id, r.turn) for r in records]
    assert len(set(keys)) == len(keys)
    full = [r for r in records if r.candidate_nll is not None]
    assert {r.protocol for r in full} == {"leave_one_out", "k_shot", "in_context"}
    assert all(len(r.candidate_nll_unconditional) == 4 for r in full)
    assert all(r.response is not None and len(r.responses) == 1 for r in full)
    before = [r for r in records if (r.protocol, r.k) == ("k_shot", 0)]
    assert len(prompted) == 2 * len(before)
    assert {r.nll for r in prompted}.isdisjoint(r.nll for r in before)


def test_in_context_is_a_switch_and_changes_no_other_record(learner):
    records = {}
    for switch in (True, False):
        run, task = a_run(learner, in_context=switch)
        (records[switch],) = run.test([task], 1)
    without = [r for r in records[True] if r.protocol != "in_context"]
    assert without == records[False]

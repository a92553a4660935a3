"""What `finetune` also writes: other persona texts, strangers at each K, caches on valid."""

import pytest

from pipeline.evaluation.predict.persona import PersonaRun
from pipeline.evaluation.predict.protocols import k_shot, k_shot_swapped, leave_one_out
from pipeline.evaluation.predict.texts import other_texts
from pipeline.params import FinetuneParams, Variant
from pipeline.persona.task.record import PersonaTask
from tests.conftest import a_dialogue
from tests.support.finetuning import finetune_params
from tests.support.plain_nll import plain_nll
from tests.unit.evaluation.predict.test_replies import generating, with_candidates


ALL_ON = {"k_shot_swap": True, "other_texts": True, "cache": [0.0, 0.1]}


def people(split="test", count=2, dialogues=4):
    return [
        PersonaTask(
            task_id=f"{split}-{n}",
            split=split,
            dialogues=[with_candidates(a_dialogue(11 * n + d)) for d in range(dialogues)],
        )
        for n in range(count)
    ]


def a_run(learner, tasks, **changes):
    finetune = finetune_params(**({"epochs": [0, 1], "k": [0, 1, 2], "lr": 0.01} | changes))
    params = FinetuneParams(seeds=[0], finetune=finetune, generate=generating())
    return PersonaRun(learner, 0, tasks, params)


def settings_of(records, protocol):
    return {(r.k, r.epoch) for r in records if r.protocol == protocol}


@pytest.mark.parametrize("text", [True, False])
def test_a_query_is_read_behind_the_texts_that_the_variant_does_not_have(make_learner, text):
    """Against one plain forward pass over the marks, the other sentences and the history."""
    variant = Variant(init="pretrained", persona_text=text)
    learner = make_learner(variant, double=True, n_positions=512)
    tasks = people()
    own, _ = a_run(learner, tasks, **ALL_ON).test(tasks, 1)
    stranger = tasks[1].dialogues[0].persona
    shown = {"text_stranger": stranger, "text_none": []} if text else {"text_own": None}
    assert {r.protocol for r in own if r.protocol.startswith("text")} == set(shown)
    zero = set() if text else {(0, 0)}  # what the text would be worth to Fig. 3's queries
    by_id = {d.dialogue_id: d for d in tasks[0].dialogues}
    for protocol, sentences in shown.items():
        assert settings_of(own, protocol) == {(3, 0), (3, 1)} | zero
        (record, *_) = (r for r in own if (r.protocol, r.epoch, r.turn) == (protocol, 0, 0))
        dialogue = by_id[record.dialogue_id]
        encoder = make_learner(Variant(init="pretrained"), double=True, n_positions=512).encoder
        ids = encoder.persona(dialogue.persona if sentences is None else sentences)
        said = dialogue.turns[0]
        ids += encoder.before_reply(said.partner, sentences or (), first=True)
        reply = (*encoder.segment(said.reply), encoder.format.closing)
        assert record.nll + record.nll_end == pytest.approx(
            plain_nll(learner, ids, reply), rel=1e-9
        )
        assert record.candidate_nll is None
        assert record.cache_nll is None
    assert learner.encoder.persona_text == text


def test_a_strangers_text_is_a_strangers_and_depends_on_the_seed_alone(make_learner):
    learner, tasks = make_learner(n_positions=512), people(count=6)
    dialogue = tasks[0].dialogues[0]
    drawn = [
        dict(other_texts(dialogue, tasks[0], tasks, learner.encoder, seed))["text_stranger"].persona
        for seed in (0, 0, 1, 2, 3)
    ]
    assert drawn[0] == drawn[1]
    assert len({tuple(sentences) for sentences in drawn}) > 1
    others = [d.persona for task in tasks[1:] for d in task.dialogues]
    assert all(sentences in others for sentences in drawn)
    alone = dict(other_texts(dialogue, tasks[0], tasks[:1], learner.encoder, 0))
    assert set(alone) == {"text_none"}


def test_one_strangers_first_dialogues_at_every_k(make_learner):
    tasks = people(count=3)
    params = finetune_params(k=[0, 1, 2])
    folds = k_shot_swapped(tasks[0], tasks, params)
    assert [(f.protocol, f.k) for f in folds] == [("k_shot_swap", 1), ("k_shot_swap", 2)]
    assert folds[0].support == folds[1].support[:1]
    assert all(f.query == k_shot(tasks[0], params)[0].query for f in folds)
    own = {d.dialogue_id for d in tasks[0].dialogues}
    assert own.isdisjoint(d.dialogue_id for d in folds[1].support)
    assert k_shot_swapped(tasks[0], tasks[:1], params) == []
    assert k_shot_swapped(tasks[0], tasks, finetune_params(k=[0])) == []


def test_the_switches_add_records_and_change_no_other(make_learner):
    learner, tasks = make_learner("extra_place", double=True, n_positions=512), people()
    found = {
        on: a_run(learner, tasks, **(ALL_ON if on else {})).test(tasks, 1)[0]
        for on in (True, False)
    }
    added = {"k_shot_swap", "text_stranger", "text_none"}
    assert {r.protocol for r in found[True]} - {r.protocol for r in found[False]} == added
    kept = [
        r.model_copy(update={"cache_nll": None}) for r in found[True] if r.protocol not in added
    ]
    assert kept == found[False]
    assert settings_of(found[True], "k_shot_swap") == {(k, e) for k in (1, 2) for e in (0, 1)}
    for record in found[True]:
        whole = record.response is not None
        assert whole == (record.candidate_nll is not None) == (record.persona is not None)
        assert record.protocol != "k_shot_swap" or not whole
        cached = (
            record.epoch == 0 and record.k > 0 and record.protocol not in added - {"k_shot_swap"}
        )
        assert cached == (record.cache_nll is not None)


def test_on_valid_the_first_k_dialogues_are_counted_and_not_adapted_to(make_learner):
    learner, tasks = make_learner(double=True, n_positions=512), people("valid")
    own, _ = a_run(learner, tasks, **ALL_ON, max_folds={"valid": 1, "test": 1}).valid(tasks)
    assert settings_of(own, "k_shot") == {(1, 0), (2, 0)}
    assert settings_of(own, "leave_one_out") == {(3, 0), (3, 1)}
    (fold,) = leave_one_out(tasks[0], finetune_params(max_folds={"valid": 1, "test": 1}))
    zero = [r for r in own if (r.protocol, r.epoch) == ("leave_one_out", 0)]
    for k in (1, 2):
        counted = [r for r in own if (r.protocol, r.k) == ("k_shot", k)]
        assert [r.nll for r in counted] == [r.nll for r in zero]
        assert [r.cache_nll["0.1"] for r in counted] != [r.cache_nll["0.1"] for r in zero]
    assert fold.k == 3

"""Appendix C: the same contexts for every variant, whole histories, nothing chosen by its look."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError
from pipeline.evaluation.report.samples import samples
from pipeline.evaluation.report.samples.few_shot import (
    few_shot_replies,
    greedy_alone,
    responses_of,
)
from pipeline.evaluation.report.samples.samples import chosen, contexts, digest, markdown, responses
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from pipeline.persona.task.record import SILENCE, Dialogue, PersonaTask, Turn
from stages.commands import samples as command
from tests.support.prediction_builder import a_prediction, full
from tests.support.predictions_on_disk import write_predictions
from tests.support.toy_project import write_params_as_predicted
from tests.wiring.closure import ROOT


MADE_FROM = AdaptedFrom(variant="v", params={}, base="b", models={}, tasks=None)


def a_task(number=0, turns=3):
    made = [Turn(partner=f"ask {number} {i} ?", reply=f"say {number} {i} .") for i in range(turns)]
    made[0] = made[0].model_copy(update={"partner": SILENCE}) if number == 1 else made[0]
    dialogue = Dialogue(dialogue_id=f"d{number}", persona=[f"i am {number} ."], turns=made)
    return PersonaTask(task_id=f"p{number}", split="test", dialogues=[dialogue])


def records(variant, places, seeds=(0,)):
    """Epoch 1 is the headline; every response names its variant, epoch and seed."""
    valid = [a_prediction(split="valid", epoch=e, nll=3.0 - e) for e in (0, 1)]
    return valid + [
        full(
            response=f"{variant} {epoch} {seed} {dialogue} {turn}",
            dialogue_id=dialogue,
            turn=turn,
            epoch=epoch,
            seed=seed,
            reference=f"say {dialogue[1:]} {turn} .",
        )
        for seed in seeds
        for dialogue, turn in places
        for epoch in (0, 1)
    ]


def test_a_context_is_all_that_was_said_before():
    found = list(contexts([a_task(0), a_task(1)]))
    assert [one.place for one in found] == [(f"d{d}", t) for d in range(2) for t in range(3)]
    assert found[2].history == (
        ("USER", "ask 0 0 ?"),
        ("SYSTEM", "say 0 0 ."),
        ("USER", "ask 0 1 ?"),
        ("SYSTEM", "say 0 1 ."),
        ("USER", "ask 0 2 ?"),
    )
    assert (found[2].persona, found[2].reply) == (["i am 0 ."], "say 0 2 .")
    assert found[3].history == ()  # nobody has said anything
    assert found[4].history[0] == ("SYSTEM", "say 1 0 .")


def test_responses_are_those_of_epoch_0_and_of_the_headline_epoch_by_one_seed():
    found = responses("v", records("v", [("d0", 0), ("d0", 2)], seeds=(1, 3)))
    assert set(found) == {("d0", 0), ("d0", 2)}
    assert [(one.epoch, one.sampled) for one in found["d0", 2]] == [
        (0, "v 0 1 d0 2"),
        (1, "v 1 1 d0 2"),
    ]


def test_only_what_all_variants_answer_is_shown_and_the_seed_decides():
    every = list(contexts([a_task(n) for n in range(4)]))
    places = [one.place for one in every]
    said = {
        "a": responses("a", records("a", places)),
        "b": responses("b", records("b", places[:7])),
    }
    shown = chosen(every, said, count=3, seed=0)
    assert len({one.place for one in shown}) == 3
    assert {one.place for one in shown} <= set(places[:7])
    assert chosen(every, said, count=3, seed=0) == shown
    assert any(chosen(every, said, count=3, seed=s) != shown for s in (1, 2, 3))
    with pytest.raises(DataError, match="no test reply in common"):
        chosen(every, {**said, "c": {}}, count=3, seed=0)


def test_answers_to_another_corpus_are_no_answers():
    """Its ids are the same; the table would show replies to something else."""
    every = list(contexts([a_task(0), a_task(1)]))
    places = [one.place for one in every]
    stale = [r.model_copy(update={"reference": "bye ."}) for r in records("b", places[4:])]
    said = {"a": responses("a", records("a", places)), "b": responses("b", stale)}
    with pytest.raises(DataError, match=r"b: predicted on other tasks .*d1, turn 1, is not the"):
        chosen(every, said, count=1, seed=0)


def test_the_papers_contexts_come_first_if_the_corpus_holds_them(monkeypatch):
    every = list(contexts([a_task(n) for n in range(4)]))
    said = {"a": responses("a", records("a", [one.place for one in every]))}
    monkeypatch.setattr(samples, "APPENDIX_C", (every[8].digest, "0" * 64))
    assert chosen(every, said, count=2, seed=0)[0] == every[8]
    assert len(chosen(every, said, count=2, seed=0)) == 3
    assert "(the paper's own, number 1)" in markdown([every[8]], said)
    assert digest("Ask 2 2 ?", "SAY 2 2 !") == every[8].digest  # as normalised


def test_markdown_holds_everything_and_no_mark_of_a_model():
    (one, *_) = contexts([a_task(0)])
    lines = records("v", [("d0", 0)])
    lines[-1] = lines[-1].model_copy(update={"response": "a | b\n<c> *d*", "greedy": ""})
    text = markdown([one], {"v": responses("v", lines)})
    assert "- i am 0 ." in text
    assert "- USER: ask 0 0 ?" in text
    assert "Real reply: say 0 0 ." in text
    assert "| `v` | 0 | v 0 0 d0 0 | v 0 0 d0 0 |" in text
    assert r"| `v` | 1 | a \| b \<c\> \*d\* | (nothing) |" in text


def test_the_command_needs_no_torch_and_names_the_stage_that_is_missing(tmp_path):
    write_params_as_predicted(tmp_path)
    program = (
        "import sys; sys.modules['torch'] = None; sys.path.insert(0, sys.argv.pop(1));"
        "from stages import samples; from stages.shell import console; console.run(samples.samples)"
    )

    def run(*args):
        command = [sys.executable, "-c", program, str(ROOT), *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "tasks" in run().stderr
    artifacts.write_records(tmp_path / artifacts.tasks_file("test"), [a_task(0)])
    assert "finetune VARIANT" in run().stderr
    said = records("transfer", [("d0", 0)])
    write_predictions(tmp_path, "transfer", said)
    assert "predictions/transfer.json: belongs to a data/tasks of SHA-256 0000" in run().stderr
    tasks = artifacts.sha256_of(tmp_path / artifacts.TASKS)
    write_predictions(tmp_path, "transfer", said, tasks=tasks)
    done = run("--out", "samples.md")
    assert (done.returncode, done.stderr) == (0, "")
    assert "transfer 1 0 d0 0" in (tmp_path / "samples.md").read_text()
    assert "0 of 4 in this test split" in done.stdout


def test_a_study_keeps_greedy_replies_alone():
    """What is shown side by side is there; a nucleus sample, which may be anything, is not."""
    records = [
        a_prediction(protocol="k_shot", k=k, epoch=k, response="sampled", greedy=f"greedy {k}")
        for k in (0, 3)
    ]
    content = few_shot_replies(records, MADE_FROM)
    assert content.replies[0].after.sampled == "sampled"
    kept = greedy_alone(content)
    assert "sampled" not in str(kept.content())
    (one,) = kept.replies
    assert (one.before.greedy, one.after.greedy, kept.k) == ("greedy 0", "greedy 3", 3)
    place = (one.dialogue_id, one.turn)
    shown = responses_of(kept, {place: "the real one"})[place]
    assert [(r.epoch, r.sampled, r.greedy) for r in shown] == [
        (0, "–", "greedy 0"),
        (3, "–", "greedy 3"),
    ]


def test_of_a_variants_replies_one_file_is_taken(tmp_path, monkeypatch):
    """The last was, in silence."""
    write_params_as_predicted(tmp_path)
    monkeypatch.chdir(tmp_path)
    artifacts.write_records(artifacts.tasks_file("test"), [a_task(0)])
    given = [full(protocol="k_shot", k=k, epoch=k, dialogue_id="d0") for k in (0, 3)]
    artifacts.write_sealed(tmp_path / "v.json", few_shot_replies(given, MADE_FROM).content())
    with pytest.raises(ParamsError, match=r"--replies v\.json: variant v was given before; give"):
        command.samples(replies=[Path("v.json"), Path("v.json")])


def test_markdown_has_nothing_that_a_terminal_obeys():
    (one, *_) = contexts([a_task()])
    hostile = replace(one, reply="\x1b]0;title\x07 \u202eright\0", history=(("USER", "a\x1b[2J"),))
    text = markdown([hostile], {})
    assert not {"\x1b", "\x07", "\u202e", "\0"} & set(text)
    assert "x1b" in text

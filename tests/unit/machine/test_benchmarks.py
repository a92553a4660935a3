"""The benchmarks' arithmetic, and that every comparison runs and compares equals."""

import json
import os
import sys
from pathlib import Path
from subprocess import CalledProcessError

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import comparisons, personas, rivals
from benchmarks.dialogues import Size, dialogue, same_dialogue_episode
from benchmarks.found import Found
from benchmarks.obvious import padded
from benchmarks.systems import LR, build, distances
from benchmarks.timing import fastest, ratio, rounds
from pipeline.errors import PipelineError
from tests.support.processes import run
from tests.wiring.closure import ROOT


TINY = Size(2, 16, 2, 200)


def test_a_ratio_is_taken_within_each_round():
    found = ratio([2.0, 30.0, 8.0], [1.0, 10.0, 2.0])
    assert (found.median, found.low, found.high, found.n) == (3.0, 2.5, 3.5, 3)


def test_the_systems_take_turns_and_the_first_round_is_left_out():
    order = []
    seconds = rounds({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3
    assert [len(values) for values in seconds.values()] == [2, 2]


def test_the_fastest_has_the_smallest_median():
    seconds = {"a": [1.0, 9.0, 9.0], "b": [5.0, 5.0, 5.0]}
    assert fastest(seconds, ["a", "b"]) == [5.0, 5.0, 5.0]


def test_dialogues_have_real_lengths():
    lengths = [len(dialogue(TINY, seed).ids) for seed in range(20)]
    assert 200 < min(lengths) < max(lengths) < 300


def test_no_more_rounds_than_the_budget_allows_but_one():
    order = []
    seconds = rounds({"a": lambda: order.append("a")}, 5, warm=True, budget=0.0)
    assert order == ["a"]
    assert len(seconds["a"]) == 1


def test_the_obvious_loop_has_our_gradient_and_a_wrong_one_is_seen():
    systems = {name: build(TINY, name) for name in ("ours", "obvious_loop")}
    tasks = [same_dialogue_episode(TINY, seed) for seed in range(2)]

    def distance():
        for system in systems.values():
            system.meta_step(tasks, LR)
        return distances(systems)["obvious_loop"]

    assert distance() < 1e-5
    table = systems["obvious_loop"].model.transformer.wte.weight
    with torch.no_grad():
        table[7, 0] += 1.0  # not all of a row: layer norm would take that out again
    assert distance() > 1e-3


def test_personas_are_adapted_the_same_in_every_way(monkeypatch):
    assert personas.adapters(TINY).keys() == {"one_by_one", "in_one_pass"}
    assert personas.whole_models(TINY).keys() == {"one_by_one", "fresh_copies"}
    monkeypatch.setattr(personas, "padded", lambda pieces: padded(pieces)[:1] * 2)  # all labels
    with pytest.raises(PipelineError, match="one_by_one and fresh_copies end"):
        personas.whole_models(TINY)


def test_a_rival_that_fails_is_named_and_the_others_are_measured(monkeypatch):
    def failing():
        def loop(*_):
            raise RuntimeError("no such step")

        return {"higher": loop}

    monkeypatch.setattr(rivals, "available", failing)
    found = Found()
    comparisons.meta_step(found, TINY, 1)
    assert found.failed == {f"meta_step.higher.{TINY.name}": "RuntimeError: no such step"}
    assert set(found.ratios) == {f"meta_step.obvious_loop.{TINY.name}"}


@pytest.mark.parametrize(("code", "words"), [(-9, "signal SIGKILL"), (2, "exit code 2")])
def test_a_process_that_ends_is_named_without_its_path(monkeypatch, code, words):
    def measure(name, *_):
        if name == "obvious_loop":
            raise CalledProcessError(code, ["/some/folder/python"])
        return 1.0

    monkeypatch.setattr(comparisons.memory, "measure", measure)
    monkeypatch.setattr(comparisons, "names", lambda: ["ours", "higher", "obvious_loop"])
    found = Found()
    comparisons.peak_memory(found, TINY, 1)
    why = f"its process ended with {words}"
    assert found.failed == {f"memory.obvious_loop.{TINY.name}": why}


def test_a_rival_with_another_gradient_is_named_and_not_timed(monkeypatch):
    def loop(module, episodes, lr):
        for episode in episodes:
            (2 * module(episode, query=True)).backward()

    monkeypatch.setattr(rivals, "available", lambda: {"higher": loop})
    found = Found()
    comparisons.meta_step(found, TINY, 1)
    assert found.wrong.keys() == {"higher"}
    assert not any("higher" in name for name in found.seconds)


LARGE = "four_replies.large"  # the others of the large size call what the small ones do


def quick_run(*names, folder):
    """Run the benchmarks' command in a fork, quicker than its own imports."""
    (code,) = run(_main, *names, folder=folder, patience=300)
    return code


def _main(*names):
    os.environ["MAMLVIAPP_BENCH_QUICK"] = "results.json"
    os.environ["PYTHONPATH"] = str(ROOT)  # the processes in which memory is measured
    sys.argv[1:] = names
    try:
        command.main()
    except SystemExit as end:
        Path("last_word").write_text(str(end.code))
        raise


@pytest.mark.slow
def test_every_comparison_runs(tmp_path):
    small = [name for name in command._plan(TINY, TINY, TINY, quick=True) if "large" not in name]
    assert quick_run(*small, LARGE, folder=tmp_path) == 0
    out = tmp_path / "results.json"
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["failed"] == {}
    assert content["took"].keys() == {*small, LARGE}
    ratios = content["ratios"]
    expected = {
        "meta_step.obvious_loop.1x16",
        "meta_step.obvious_loop_4_replies.1x16",
        "meta_step.obvious_loop_4_replies.1x32",
        "hits.padded_batch.1x16",
        "hits.separate_forwards.1x16",
        "memory.best_rival.1x16",
        "exact_over_plain.in_place.4x128.v2000",
        "exact_over_plain.in_place.4x128.v50257",
        "exact_over_plain.extra_place.4x128",
        "one_pass_per_dialogue.1x16",
        "k_shot.one_by_one.1x16",
        "k_shot.fresh_copies.1x16",
        "real_shape.exact_over_plain.all",
        "real_shape.exact_over_plain.bottleneck",
        "real_shape.exact_over_plain.lora",
        "real_shape.obvious_loop",
        "real_shape.products.all",
        "real_shape.products.bottleneck",
        "real_shape.products.lora",
        "real_shape.frozen_trunk.upper_third.bottleneck",
        "real_shape.frozen_trunk.upper_third.lora",
    }
    if len(content["missing_rivals"]) < 3:
        expected |= {"meta_step.best_library.1x16", "meta_step.best_library_2_tasks.1x16"}
    assert ratios.keys() == expected
    assert all(value["median"] > 0 for value in ratios.values())
    memory = content["memory_mib"]
    assert 0 < memory["inner_step.recomputed.1x16"] < 0.15 * memory["inner_step.kept.1x16"]
    names_keep_the_rest(out, content)


def names_keep_the_rest(out, before):
    """Measure one comparison again."""
    assert quick_run("one_pass.small", folder=out.parent) == 0
    after = json.loads(out.read_text(encoding="utf-8"))
    changed = {name for name in after["took"] if after["took"][name] != before["took"][name]}
    assert changed == {"one_pass.small"}
    assert after["memory_mib"] == before["memory_mib"]


def test_a_comparison_that_there_is_not_is_refused_and_nothing_written(tmp_path):
    assert quick_run("speed", folder=tmp_path) == 1
    told = "benchmarks: no comparison 'speed'; choose among meta_step"
    (written,) = tmp_path.iterdir()
    assert written.name == "last_word"
    assert written.read_text().startswith(told)

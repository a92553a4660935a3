"""The benchmarks' arithmetic, and that every comparison runs and compares equals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.dialogues import Size, dialogue, same_dialogue_episode
from benchmarks.systems import check_equal, meta_steps
from benchmarks.timing import fastest, ratio, rounds


ROOT = Path(__file__).parents[2]
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


def test_the_obvious_loop_has_our_gradient_and_a_wrong_one_is_seen():
    systems = meta_steps(TINY, ["ours", "obvious_loop"])
    tasks = [same_dialogue_episode(TINY, seed) for seed in range(2)]
    assert check_equal(systems, tasks)["obvious_loop"] < 1e-5
    table = systems["obvious_loop"].model.transformer.wte.weight
    with torch.no_grad():
        table[7, 0] += 1.0  # not all of a row: layer norm would take that out again
    assert check_equal(systems, tasks)["obvious_loop"] > 1e-3


@pytest.mark.slow
def test_every_comparison_runs(tmp_path):
    out = tmp_path / "results.json"
    env = os.environ | {"MAMLVIAPP_BENCH_QUICK": str(out), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "benchmarks"], cwd=ROOT, env=env, check=True)
    ratios = json.loads(out.read_text(encoding="utf-8"))["ratios"]
    for name in ("meta_step.obvious_loop.", "memory.best_rival.", "hits.padded_batch."):
        assert any(key.startswith(name) for key in ratios), name
    assert all(value["median"] > 0 for value in ratios.values())
    assert "exact_over_plain.extra_place.4x128" in ratios

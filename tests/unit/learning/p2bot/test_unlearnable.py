"""Personas that no receiver can learn from: one system prompt for all, too few people."""

import json
from random import Random

import pytest
import torch

from pipeline import artifacts
from pipeline.errors import DataError, ModelError
from pipeline.learning.p2bot.meetings import example, sentence_pool, unlearnable, voices
from pipeline.learning.p2bot.receiver import files
from stages.p2bot.p2_receiver import p2_receiver
from tests.support.toy_project import toy_params, write_params
from tests.unit.learning.p2bot.test_meetings import TASKS, task


PROMPT = ["you are a helpful assistant."]
SHARED = [task(name, PROMPT) for name in "abc"]
CASES = {
    "some": TASKS,
    "one prompt for all": SHARED,
    "the same in capitals": [*SHARED, task("d", ["You are a helpful assistant."])],
    "two people": [task("a", ["i sing.", "i run."]), task("b", ["i ski."])],
    "one of them has a stranger too few": [*TASKS, task("d", [f"i am {n}." for n in range(14)])],
    "just enough": [task("a", ["i sing.", "i run."]), task("b", ["i ski.", "i cook."])],
    "one sentence twice": [task("a", ["i sing.", "i sing."]), task("b", ["i ski."])],
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_unlearnable_where_no_example_can_be_drawn(name):
    of_all = voices(CASES[name])
    drawn = []
    for voice in of_all:
        try:
            drawn.append(example(voice, sentence_pool(of_all), negatives=1, draw=Random(0)))
        except DataError:
            continue
    assert (unlearnable(of_all) is None) == (len(drawn) == len(of_all))
    assert unlearnable([]) == "no persona sentences"


def test_one_prompt_for_all_ends_no_pipeline(tmp_path, monkeypatch):
    """dvc.yaml always has the stage; report and whatever else waits for it go on."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, toy_params())
    of_split = {"train": voices(TASKS), "valid": voices(SHARED)}
    monkeypatch.setattr(files, "load_voices", lambda: of_split)
    monkeypatch.setattr(files, "inputs", lambda: None)
    p2_receiver(0)
    folder = artifacts.receiver_dir(0)
    said = json.loads((folder / files.UNTRAINED).read_text())
    assert said["reason"] == "too few persona sentences of others: 0, where one has 1"
    with pytest.raises(ModelError, match=r"because train or valid has too few .* out of self_pl"):
        files.load_receiver(folder, (None, None), torch.device("cpu"))

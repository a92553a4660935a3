"""K that leave nothing to score are refused before anybody is fine-tuned."""

from types import SimpleNamespace

import pytest

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.evaluation.predict import inputs
from pipeline.params import FinetuneParams, Settings
from pipeline.processes.workers import Workers
from stages.few_shot.rates import rates
from stages.few_shot.replies import replies
from stages.few_shot.shots import shots
from stages.finetune import _sizes
from tests.support.toy_project import write_params, write_project, write_tasks
from tests.unit.evaluation.few_shot.test_rates_and_shots import params


@pytest.mark.parametrize(
    ("command", "k", "said"),
    [
        (rates, [0, 3], "the largest K is 3, and the people of valid have at most 3 dial"),
        (shots, [0, 3], "the largest K is 3, and the people of test have at most 3 dial"),
        (replies, [0, 3], "the largest K is 3, and the people of test have at most 3 dial"),
        (rates, [0], "a K over 0 was expected; rates are chosen for each"),
        (rates, [], "a K over 0 was expected; rates are chosen for each"),
        (shots, [], "empty; the K to adapt to were expected"),
    ],
)
def test_k_that_leave_nothing_to_score_are_refused_before_any_work(
    command, k, said, tmp_path, tokenizer, monkeypatch
):
    without_a_model(tmp_path, tokenizer, monkeypatch, k)
    with pytest.raises(ParamsError, match=rf"^finetune\.k: {said}"):
        command("transfer")


@pytest.mark.parametrize(("k", "lines"), [([0, 2], 0), ([0, 3], 1), ([], 0)])
def test_finetune_says_that_fig_3_will_be_empty(k, lines, tmp_path, tokenizer, monkeypatch, capsys):
    """Table 1 needs no K, and a person of one's own corpus may have two dialogues."""
    without_a_model(tmp_path, tokenizer, monkeypatch, k)
    _sizes(Settings.load().view(FinetuneParams).finetune)
    said = [line for line in capsys.readouterr().err.splitlines() if "Fig. 3 has no points" in line]
    assert len(said) == lines
    assert all(line.startswith("note: finetune.k: the largest K is 3") for line in said)


def without_a_model(tmp_path, tokenizer, monkeypatch, k):
    write_project(tmp_path, tokenizer, params())
    write_tasks(tmp_path, "test", 2)
    monkeypatch.chdir(tmp_path)
    read = SimpleNamespace(digests={artifacts.BASE: "b" * 64})
    for name, of_a_model in (("read_by", read), ("made_from", {"made_with": {}})):
        monkeypatch.setattr(inputs, name, lambda *_, found=of_a_model: found)  # nobody gets so far
    monkeypatch.setattr(inputs, "finetune_params", lambda _: Settings.load().view(FinetuneParams))
    monkeypatch.setattr(Workers, "map", None)
    changed = params()
    changed["finetune"]["k"] = k
    write_params(tmp_path, changed)

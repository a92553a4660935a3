"""Real dialogues with their 20 candidates, real tokens, against one plain forward pass each."""

import tarfile
from functools import cache

import pytest
import torch
from torch.nn import functional as F

from pipeline.model.base.tokenizer import add_special_tokens, load_tokenizer
from pipeline.model.inference import candidates as module
from pipeline.model.inference.candidates import candidate_nll
from pipeline.model.inference.reading import read
from pipeline.persona.task.record import Dialogue, Turn
from pipeline.persona.tasks.parser import parse
from tests.conftest import learner_of


pytestmark = pytest.mark.real_data
CONTEXT = 192  # a third of it is persona: these dialogues take several windows
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}  # nats per token; nats


@cache
def setting(folder, precision):
    """A learner with GPT-2's vocabulary, and (window, candidates) of the first dialogues."""
    tokenizer = load_tokenizer(folder / "gpt2-tokenizer")
    add_special_tokens(tokenizer)
    learner = learner_of(
        tokenizer, "extra_place", "sdpa", double=precision == "float64", n_positions=CONTEXT
    )
    with tarfile.open(folder / "personachat/personachat_partial.tgz") as archive:
        file = archive.extractfile("personachat/test_self_original.txt")
        parsed = parse(file.read(200_000).decode().rpartition("\n1 ")[0], origin="test")
    found = []
    for number in (0, 3):
        turns = [
            Turn(partner=e.partner, reply=e.reply, candidates=list(e.candidates), gold=19)
            for e in parsed[number].exchanges
        ]
        dialogue = Dialogue(dialogue_id="d", persona=parsed[number].persona, turns=turns)
        windows = learner.encoder.encode(dialogue, room=30)
        assert len(windows) > 1
        for window in windows:
            texts = [turns[span.turn].candidates for span in window.spans]
            found.append((window, [[learner.encoder.segment(t) for t in row] for row in texts]))
    return learner, found


def separate(learner, window, span, ids):
    """A candidate's NLL from a pass over nothing but its prefix and itself, all logits."""
    parameters = learner.parameters(learner.theta)
    text = torch.tensor([[*window.ids[: span.start], *ids]])
    hidden = learner.model.hidden(parameters, text)[0]
    logits = learner.model.logits(parameters, hidden[span.start - 1 : -1])
    return F.cross_entropy(logits, torch.tensor(ids), reduction="sum").item()


@torch.no_grad()
@pytest.mark.parametrize("precision", TOLERANCE)
def test_real_candidates_are_separate_forwards(real_data, precision):
    """Every window of two dialogues; the last reply of each against its separate passes."""
    learner, found = setting(real_data, precision)
    for window, candidates in found:
        reading = read(learner.model, learner.parameters(learner.theta), window)
        span, row = window.spans[-1], candidates[-1]
        scores = candidate_nll(reading, window.spans, candidates)[-1]
        for ids, score in zip(row, scores, strict=True):
            scale = len(ids) if precision == "float32" else 1
            expected = separate(learner, window, span, ids)
            assert score == pytest.approx(expected, abs=TOLERANCE[precision] * scale, rel=0)


@torch.no_grad()
@pytest.mark.parametrize("places", [1, 40])  # a row for each branch, many passes
def test_scores_do_not_depend_on_how_they_are_batched(real_data, monkeypatch, places):
    learner, found = setting(real_data, "float64")
    window, candidates = found[0]
    reading = read(learner.model, learner.parameters(learner.theta), window)
    expected = candidate_nll(reading, window.spans, candidates)
    monkeypatch.setattr(module, "_PLACES", places)
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    together = candidate_nll(reading, window.spans, candidates)
    for span, row, scores, others in zip(window.spans, candidates, expected, together, strict=True):
        assert others == pytest.approx(scores, abs=1e-10, rel=0)
        (alone,) = candidate_nll(reading, [span], [row[::-1]])
        assert alone[::-1] == pytest.approx(scores, abs=1e-10, rel=0)


@torch.no_grad()
@pytest.mark.parametrize("precision", TOLERANCE)
def test_equal_strings_are_exactly_tied(real_data, precision):
    learner, found = setting(real_data, precision)
    window, candidates = found[0]
    reading = read(learner.model, learner.parameters(learner.theta), window)
    doubled = [[*row, *row[::-1], row[0][:1]] for row in candidates]
    for row, scores in zip(doubled, candidate_nll(reading, window.spans, doubled), strict=True):
        assert scores[: len(row) // 2] == scores[len(row) // 2 : -1][::-1]
        assert 0 < scores[-1] < scores[0]  # its first token alone

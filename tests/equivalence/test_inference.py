"""Shared-prefix scores and responses against one plain forward pass each."""

import pytest
import torch
from transformers import TopPLogitsWarper

from pipeline.model.inference.candidates import candidate_nll
from pipeline.model.inference.reading import read, reply_nll
from pipeline.model.inference.responses import Ending, nucleus, respond
from tests.conftest import LINES, a_dialogue


def log_probabilities(learner, ids):
    """(T, V) of one sequence, from nothing but the ids."""
    output = learner.model.hidden(learner.parameters(learner.theta), torch.tensor([list(ids)]))
    logits = learner.model.logits(learner.parameters(learner.theta), output[0])
    return logits.log_softmax(-1)


def plain_nll(learner, prefix, continuation):
    ids = [*prefix, *continuation]
    log_p = log_probabilities(learner, ids)
    places = range(len(prefix), len(ids))
    return -sum(log_p[p - 1, ids[p]].item() for p in places)


@pytest.fixture(params=["eager", "sdpa"])
def learner(make_learner, request):
    return make_learner("extra_place", request.param, double=True)


@pytest.fixture
def window(learner):
    return learner.encoder.encode(a_dialogue(turns=3))[0]


@torch.no_grad()
def test_reply_nll_is_the_plain_forward(learner, window):
    reading = read(learner.model, learner.parameters(learner.theta), window)
    for span, nlls in zip(window.spans, reply_nll(reading, window.spans), strict=True):
        reply = window.ids[span.start : span.end]
        assert len(nlls) == len(reply)
        expected = plain_nll(learner, window.ids[: span.start], reply)
        assert sum(nlls) == pytest.approx(expected, abs=1e-8)


@torch.no_grad()
def test_candidates_on_a_shared_prefix_are_twenty_separate_forwards(learner, window):
    """Different lengths, duplicates and a single token; every reply of the dialogue at once."""
    texts = [f"{line} {i}" for i in range(3) for line in LINES] + ["a", LINES[0], "hi , how"]
    candidates = [learner.encoder.segment(text) for text in texts]
    candidates += [candidates[0], candidates[0][:1]]
    rows = [candidates, candidates[::-1], candidates[:1]]
    reading = read(learner.model, learner.parameters(learner.theta), window)
    scores = candidate_nll(reading, window.spans, rows)
    for span, row, score in zip(window.spans, rows, scores, strict=True):
        expected = [plain_nll(learner, window.ids[: span.start], ids) for ids in row]
        assert score == pytest.approx(expected, abs=1e-8)
    assert scores[0][0] == scores[0][candidates.index(candidates[0], 1)]  # ties are exact


@torch.no_grad()
def test_single_token_candidates_need_no_pass(learner, window):
    reading = read(learner.model, learner.parameters(learner.theta), window)
    rows = [[(5,), (9,), (5,)]] * len(window.spans)
    for span, score in zip(window.spans, candidate_nll(reading, window.spans, rows), strict=True):
        expected = [plain_nll(learner, window.ids[: span.start], ids) for ids in rows[0]]
        assert score == pytest.approx(expected, abs=1e-8)


@torch.no_grad()
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_responses_are_token_by_token_generation(learner, window, temperature):
    """Against a loop that runs the whole sequence anew for each token."""
    closing, steps = learner.encoder.format.closing, 12
    ending = Ending(closing, learner.encoder.forbidden)
    uniforms = torch.rand(3, steps, generator=torch.Generator().manual_seed(0)).tolist()
    reading = read(learner.model, learner.parameters(learner.theta), window)
    generated = respond(
        reading, window.spans, ending, top_p=0.92, temperature=temperature, uniforms=uniforms
    )
    for span, row, responses in zip(window.spans, uniforms, generated, strict=True):
        for greedy, response in enumerate((responses[0], responses[1])):
            ids, expected = list(window.ids[: span.start]), []
            for step in range(steps):
                logits = log_probabilities(learner, ids)[-1:]
                logits[:, list(ending.forbidden)] = -torch.inf
                uniform = torch.tensor([row[step]], dtype=logits.dtype)
                token = (
                    logits.argmax(-1) if greedy else nucleus(logits / temperature, 0.92, uniform)
                )
                if token.item() == closing:
                    break
                expected.append(token.item())
                ids.append(token.item())
            assert response == expected


@torch.no_grad()
def test_a_response_ends_at_the_closing_token_and_holds_no_other_mark(make_learner, tokenizer):
    learner = make_learner()
    marks = tokenizer.convert_tokens_to_ids(["<|persona|>", "<|user|>", "<|endoftext|>"])
    assert set(marks) <= set(learner.encoder.forbidden)
    assert learner.encoder.format.closing not in learner.encoder.forbidden
    window = learner.encoder.encode(a_dialogue())[0]
    parameters = learner.parameters(learner.theta)
    ending = Ending(learner.encoder.format.closing, learner.encoder.forbidden)
    # Make the closing token certain: it is row 5 of the special tokens' table.
    certain = {**parameters, "special.weight": parameters["special.weight"] * 0}
    reading = read(learner.model, certain, window)
    certain["special.weight"][5] = 100 * reading.hidden[window.spans[0].start - 1]
    (sampled, greedy), *_ = respond(
        reading, window.spans[:1], ending, top_p=0.92, temperature=1.0, uniforms=[[0.5] * 4]
    )
    assert (sampled, greedy) == ([], [])


@pytest.mark.parametrize("top_p", [0.3, 0.92, 1.0])
def test_nucleus_is_transformers_top_p(top_p):
    """The draws' frequencies are the warped distribution's probabilities, tail included."""
    logits = torch.randn(1, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2
    warped = TopPLogitsWarper(top_p=top_p)(None, logits.clone()) if top_p < 1 else logits
    expected = warped.softmax(-1)[0]
    grid = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    drawn = nucleus(logits.expand(len(grid), -1), top_p, grid)
    frequencies = torch.bincount(drawn, minlength=12) / len(grid)
    torch.testing.assert_close(frequencies, expected, atol=2e-4, rtol=0, check_dtype=False)
    assert set(drawn.tolist()) <= set(expected.nonzero()[:, 0].tolist())

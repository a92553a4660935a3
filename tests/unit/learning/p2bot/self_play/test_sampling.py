"""Sampling of self-play: the same tokens as one sequence at a time without a cache would give."""

import pytest
import torch

from pipeline.learning.p2bot.self_play.sampling import Policy, continue_all, repeating, top_k
from pipeline.model.inference.responses import Ending


def slow(learner, prompt, ending, policy, uniforms):
    """One row, the whole sequence read again for every token, n-grams by comparison of slices."""
    parameters = learner.parameters(learner.theta)
    ids = []
    for step in range(policy.max_new_tokens):
        sequence = torch.tensor([[*prompt, *ids]])
        hidden = learner.model.hidden(parameters, sequence)[0, -1]
        scores = learner.model.logits(parameters, hidden) / policy.temperature
        scores[list(ending.forbidden)] = -torch.inf
        if not ids:
            scores[ending.closing] = -torch.inf
        n = policy.no_repeat_ngram
        there = {tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)}
        for token in range(len(scores)):
            if tuple([*ids, token][-n:]) in there and len(ids) >= n - 1:
                scores[token] = -torch.inf
        kept = scores.sort(descending=True, stable=True).indices[: policy.top_k]
        shares = scores[kept].softmax(0).cumsum(0)
        place = int((shares <= uniforms[step] * shares[-1]).sum())
        token = int(kept[min(place, len(kept) - 1)])
        if token == ending.closing:
            return ids, True
        ids.append(token)
    return ids, False


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_it_equals_slow_sampling(make_learner, k, n):
    learner = make_learner(double=True)
    form = learner.encoder.format
    ending = Ending(form.closing, learner.encoder.forbidden)
    policy = Policy(k, 3.0, n, 12)
    texts = ["hi , how are you ?", "do you like to cook", "that is great ! i am a nurse ."]
    prompts = [(*form.user_open, *learner.encoder.segment(t), *form.system_open) for t in texts]
    uniforms = torch.rand(3, 12, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
    parameters = learner.parameters(learner.theta)
    found = continue_all(learner.model, parameters, prompts, ending, policy, uniforms)
    for prompt, row, (ids, closed) in zip(prompts, uniforms, found, strict=True):
        assert (ids, closed) == slow(learner, prompt, ending, policy, row)
        assert ids
        assert not {*ids} & {*ending.forbidden, ending.closing}


def test_top_k_draws_by_the_renormalised_probabilities():
    logits = torch.tensor([0.1, 0.5, 0.2, 0.2001]).log()
    uniforms = (torch.arange(1000) + 0.5) / 1000
    tokens = top_k(logits.expand(1000, -1), 2, uniforms)
    assert set(tokens.tolist()) == {1, 3}
    assert (tokens == 1).float().mean().item() == pytest.approx(0.5 / 0.7001, abs=0.002)


def test_top_k_never_takes_what_is_forbidden():
    logits = torch.tensor([[0.0, -torch.inf, -torch.inf]]).expand(3, -1)
    assert top_k(logits, 3, torch.tensor([0.0, 0.5, 0.999999])).tolist() == [0, 0, 0]


def test_what_would_repeat():
    assert repeating([1, 2, 3, 1], 2) == [2]
    assert repeating([1, 2, 1, 3, 1], 2) == [2, 3]
    assert repeating([1, 2, 3, 1, 2], 3) == [3]
    assert repeating([1, 2], 1) == [1, 2]
    assert repeating([], 2) == repeating([1], 2) == []

"""Our loss against `transformers`' own, and against one example per reply."""

import pytest
import torch
from transformers import GPT2LMHeadModel

from pipeline.model.base.architecture import architecture_of
from pipeline.model.network.language_model import LanguageModel
from pipeline.model.sequences.batching import collate, select, whole
from pipeline.model.sequences.encoding import Encoder
from tests.conftest import a_dialogue, tiny_gpt2


CPU = torch.device("cpu")


@pytest.fixture
def gpt2(tokenizer) -> GPT2LMHeadModel:
    return tiny_gpt2(tokenizer, n_positions=160)


def per_reply_losses(gpt2, windows):
    """One example per reply through transformers' `labels=`, in float64 by its own logits."""
    nll, count = 0.0, 0
    for window in windows:
        for span in window.spans:
            ids = torch.tensor([window.ids[: span.end]])
            labels = ids.clone()
            labels[0, : span.start] = -100
            mean = gpt2(input_ids=ids, labels=labels).loss.item()
            nll += mean * (span.end - span.start)
            count += span.end - span.start
    return nll / count


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_loss_is_transformers_loss_of_one_example_per_reply(gpt2, tokenizer, attention):
    encoder = Encoder(tokenizer, context=160)
    model = LanguageModel(
        architecture_of(tiny_gpt2(tokenizer, n_positions=160)), num_special=6, attention=attention
    )
    dialogues = [encoder.encode(a_dialogue(n)) for n in range(3)]
    ours = model.losses(
        model.take_parameters(), collate([p for d in dialogues for p in whole(d)], CPU)
    ).sum()
    theirs = per_reply_losses(gpt2, [w for d in dialogues for w in d])
    assert ours.item() == pytest.approx(theirs, rel=1e-5)


def test_gradient_is_transformers_gradient_with_tied_weights(gpt2, tokenizer):
    """The tied table's gradient has both its parts: as embedding and as projection."""
    window = Encoder(tokenizer, context=160).encode(a_dialogue())[0]
    model = LanguageModel(
        architecture_of(tiny_gpt2(tokenizer, n_positions=160)), num_special=6, attention="eager"
    )
    theta = {n: v.requires_grad_() for n, v in model.take_parameters().items()}
    model.losses(theta, collate(whole([window]), CPU)).sum().backward()
    labels = torch.full((1, len(window.ids)), -100)
    for span in window.spans:
        labels[0, span.start : span.end] = torch.tensor(window.ids[span.start : span.end])
    gpt2(input_ids=torch.tensor([window.ids]), labels=labels).loss.backward()
    expected = {n.removeprefix("transformer."): p.grad for n, p in gpt2.named_parameters()}
    table = torch.cat([theta["wte.weight"].grad, theta["special.weight"].grad])
    torch.testing.assert_close(table, expected.pop("wte.weight"), rtol=1e-4, atol=1e-6)
    for name, gradient in expected.items():
        torch.testing.assert_close(theta[name].grad, gradient, rtol=1e-4, atol=1e-6)


def test_loss_does_not_depend_on_what_else_is_in_the_batch(make_learner):
    learner = make_learner(double=True)
    dialogues = [learner.encoder.encode(a_dialogue(n, turns=1 + n % 3)) for n in range(4)]
    pieces = [piece for windows in dialogues for piece in whole(windows)]
    together = learner.model.token_nll(learner.parameters(learner.theta), collate(pieces, CPU))
    alone = [
        learner.model.token_nll(learner.parameters(learner.theta), collate([piece], CPU))
        for piece in pieces
    ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-10, atol=1e-10)


def test_some_replies_of_a_dialogue_weigh_as_in_the_whole(make_learner):
    """A sequence cut after the last reply used gives the same token losses."""
    learner = make_learner(double=True)
    windows = learner.encoder.encode(a_dialogue(turns=3))
    parameters = learner.parameters(learner.theta)
    full = learner.model.token_nll(parameters, collate(whole(windows), CPU))
    first, second, third = (
        learner.model.token_nll(parameters, collate(select(windows, slice(i, i + 1)), CPU))
        for i in range(3)
    )
    torch.testing.assert_close(full, torch.cat([first, second, third]), rtol=1e-10, atol=1e-10)


def test_zero_adapters_leave_the_output_as_it_was(tokenizer):
    """Eq. 2, exactly; and the up-projection's gradient is not zero."""
    from pipeline.model.network.learner import build_learner
    from pipeline.params import Adapters, Variant

    batch, losses, gradients = None, [], {}
    for adapters in (False, True):
        learner = build_learner(
            Variant(init="pretrained", adapters=adapters, freeze_base=adapters),
            Adapters(bottleneck=4, init_std=0.01),
            (tiny_gpt2(tokenizer, n_positions=160), tokenizer),
            seed=0,
            attention="eager",
            device=CPU,
        )
        batch = batch or collate(whole(learner.encoder.encode(a_dialogue())), CPU)
        theta = {n: v.requires_grad_() for n, v in learner.theta.items()}
        nll = learner.model.token_nll(learner.parameters(theta), batch)
        losses.append(nll.detach())
        nll.mean().backward()
        gradients = {n: v.grad for n, v in theta.items()}
    assert torch.equal(losses[0], losses[1])
    for name, gradient in gradients.items():
        assert bool(gradient.any()) == (".down." not in name), name

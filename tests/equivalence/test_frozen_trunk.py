"""The frozen trunk read once: to the bit as read again and again, and as the whole trunk."""

from dataclasses import replace

import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaMLP, LlamaModel

from pipeline.learning.finetuning.plan import Support
from pipeline.learning.finetuning.updates import finetune
from pipeline.model.network.frozen_trunk import FrozenTrunk
from pipeline.model.network.learner import build_learner
from pipeline.model.sequences.batching import whole
from pipeline.params import Adapters, Variant
from tests.conftest import a_dialogue
from tests.support.episodes import CPU, episodes, ours
from tests.support.families import FAMILIES, tiny_model
from tests.support.finetuning import finetune_params


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def learner_of(tokenizer, family="llama", kind="lora", blocks=(1, 1), **axes):
    axes = {"init": "pretrained", "adapters": True, "freeze_base": True} | axes
    params = {"kind": kind, "bottleneck": 4, "init_std": 0.3, "blocks": [*blocks]}
    learner = build_learner(
        Variant(**{"format": "plain"} | axes),
        Adapters(**params),
        (tiny_model(family, len(tokenizer)), tokenizer),
        seed=1,
        attention="eager",
        device=CPU,
    )
    generator = torch.Generator().manual_seed(2)
    for name, value in learner.theta.items():
        if any(mark in name for mark in (".adapter.up.", ".lora_B.", ".ia3_l")):
            value += 0.1 * torch.randn(value.shape, generator=generator)
    return learner


def reading_again(learner):
    """The same learner, which keeps no states."""
    trunk = learner.frozen_trunk
    return replace(
        learner, frozen_trunk=FrozenTrunk(learner.model, trunk._cut, learner.fixed, None)
    )


def as_a_whole(learner):
    return replace(learner, frozen_trunk=None)


@pytest.mark.parametrize("kind", ["bottleneck", "lora", "ia3"])
@pytest.mark.parametrize("family", FAMILIES)
def test_meta_gradients_are_the_same(tokenizer, family, kind):
    learner = learner_of(tokenizer, family, kind)
    for gradient_kind in ("exact", "first_order"):
        for tasks_at_once in (1, 2):
            options = {"tasks_at_once": tasks_at_once}
            kept, report = ours(learner, gradient_kind, 2, **options)
            again, _ = ours(reading_again(learner), gradient_kind, 2, **options)
            plain, other = ours(as_a_whole(learner), gradient_kind, 2, **options)
            for name, value in kept.items():
                assert torch.equal(value, again[name]), name
                scale = plain[name].abs().max().item()
                torch.testing.assert_close(value, plain[name], rtol=1e-3, atol=1e-4 * scale + 1e-7)
            assert report.outer_loss == pytest.approx(other.outer_loss, rel=1e-5)


def test_blocks_below_are_read_once_for_each_window(tokenizer, monkeypatch):
    learner = learner_of(tokenizer)
    computed = []
    own = LlamaMLP.forward
    monkeypatch.setattr(LlamaMLP, "forward", lambda self, x: computed.append(self) or own(self, x))
    below, above = (layer.mlp for layer in learner.model._networks.here.layers)
    windows = {
        piece.window
        for episode in episodes(learner)
        for pieces in (*episode.supports, episode.query)
        for piece in pieces
    }
    ours(learner, "exact", 3)
    assert computed.count(below) == len(windows) == len(learner.frozen_trunk._store)
    passes = computed.count(above)
    ours(learner, "exact", 3)
    assert computed.count(below) == len(windows)
    assert computed.count(above) == 2 * passes


def test_finetuning_is_the_same(tokenizer):
    learner = learner_of(tokenizer)
    supports = [
        Support(f"fold {n}", [learner.encoder.encode(a_dialogue(2 * n + m)) for m in range(2)])
        for n in range(2)
    ]
    params = finetune_params(lr=0.05, epochs=[0, 1, 2])
    ends = []
    for one in (learner, reading_again(learner), as_a_whole(learner)):
        for at_once in (1, 2):
            steps = finetune(one, supports, params, at_once=at_once)
            ends.append(
                {
                    (fold, adapted.epoch): {n: v.detach().clone() for n, v in theta.items()}
                    for adapted in steps
                    for fold, theta in adapted.of_each()
                }
            )
    first, *others = ends
    assert len(first) == 4
    for other in others:
        for key, theta in first.items():
            for name, value in theta.items():
                torch.testing.assert_close(value, other[key][name], rtol=1e-4, atol=1e-5)
    for key, theta in ends[0].items():
        assert all(torch.equal(value, ends[2][key][name]) for name, value in theta.items())


def test_a_part_of_a_window_has_the_windows_states(tokenizer):
    """Some replies of a window end before it does; padding has no part in their loss."""
    learner = learner_of(tokenizer)
    long, short = (whole(learner.encoder.encode(a_dialogue(n, turns=n + 1))) for n in (3, 0))
    batch = learner.collate([[*long, *short]])
    assert batch.entering.shape[:2] == batch.ids.shape
    alone = learner.collate([short]).entering
    assert torch.equal(batch.entering[-1, : alone.shape[1]], alone[0])
    assert not batch.entering[-1, alone.shape[1] :].any()


@pytest.mark.parametrize(
    ("axes", "blocks"),
    [
        ({}, (0, 1)),
        ({"freeze_base": False}, (1, 1)),
        ({"adapters": False, "freeze_base": False}, (1, 1)),
    ],
)
def test_without_a_frozen_trunk_there_is_none(tokenizer, axes, blocks):
    learner = learner_of(tokenizer, blocks=blocks, **axes)
    assert learner.frozen_trunk is None
    assert learner.collate([whole(learner.encoder.encode(a_dialogue()))]).entering is None


def test_windows_with_special_tokens_are_read_whole(tokenizer):
    """Their rows are trained, so the states below Φ change with every step."""
    learner = learner_of(tokenizer, format="special")
    pieces = whole(learner.encoder.encode(a_dialogue()))
    assert learner.frozen_trunk is not None
    assert learner.collate([pieces]).entering is None


def test_an_architecture_that_cannot_be_cut_is_trained_as_a_whole(tokenizer, monkeypatch, caplog):
    """Its trunk uses more of the first block than the states that the block returns."""
    own_model, own_mlp = LlamaModel.forward, LlamaMLP.forward

    def mlp(self, x):
        self.mark = own_mlp(self, x).mean()
        return own_mlp(self, x)

    def model(self, *args, **keywords):
        self.layers[0].mlp.mark = 0.0
        out = own_model(self, *args, **keywords)
        out.last_hidden_state = out.last_hidden_state + self.layers[0].mlp.mark
        return out

    assert learner_of(tokenizer).frozen_trunk is not None
    assert caplog.messages == []
    monkeypatch.setattr(LlamaMLP, "forward", mlp)
    monkeypatch.setattr(LlamaModel, "forward", model)
    assert learner_of(tokenizer).frozen_trunk is None
    assert len(caplog.messages) == 1
    assert "llama: the frozen trunk is read in every step, since its halves differ" in caplog.text


def test_a_half_that_fails_is_said(tokenizer, monkeypatch, caplog):
    monkeypatch.setattr("pipeline.model.network.halves.Above.of", lambda *_: 1 / 0)
    assert learner_of(tokenizer).frozen_trunk is None
    assert "since a half of it fails: ZeroDivisionError: division by zero" in caplog.text

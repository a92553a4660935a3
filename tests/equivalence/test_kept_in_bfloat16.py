"""φ kept in bfloat16 is φ with rounded matrices under autocast, to the bit."""

import pytest
import torch

from pipeline.model.inference.candidates import candidate_nll
from pipeline.model.inference.reading import read, reply_nll
from pipeline.model.network.learner import Learner, build_learner, in_bfloat16
from pipeline.params import Adapters, Variant
from tests.conftest import a_dialogue, tiny_gpt2
from tests.support.episodes import ours


@pytest.fixture
def pair(make_learner):
    """The same φ, kept in bfloat16, and as rounded float32."""
    kept, rounded = make_learner("extra_place"), make_learner("extra_place")
    small = in_bfloat16(rounded.fixed)
    matrices = [value for value in small.values() if value.ndim > 1]
    assert len(matrices) > 8
    assert all(value.dtype == torch.bfloat16 for value in matrices)
    wide = {name: value.float() for name, value in small.items()}
    for learner in (kept, rounded):
        learner.model.precision = "bfloat16"
    return (
        Learner(kept.model, kept.encoder, kept.theta, small),
        Learner(rounded.model, rounded.encoder, rounded.theta, wide),
    )


@pytest.mark.parametrize("kind", ["exact", "first_order"])
def test_the_meta_gradient_is_the_same(pair, kind):
    one, other = (ours(learner, kind, 2)[0] for learner in pair)
    for name, value in one.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, other[name]), name
        assert value.abs().sum() > 0


def test_replies_and_candidates_are_near_those_in_float32(pair):
    """In float32 nothing is under autocast, so the two differ by bfloat16's rounding."""
    values = []
    for learner in pair:
        window = learner.encoder.encode(a_dialogue())[0]
        with torch.no_grad():
            reading = read(learner.model, learner.parameters(learner.theta), window)
            candidates = [learner.encoder.segment(text) for text in ("i like dogs .", "the sea")]
            nll = candidate_nll(reading, window.spans[-1:], [candidates])[0]
            values.append([sum(map(sum, reply_nll(reading, window.spans))), *nll])
    assert values[0] == pytest.approx(values[1], rel=0.05)
    assert values[0] != values[1]


@pytest.mark.parametrize(("freeze_base", "notes"), [(False, 1), (True, 0)])
def test_a_trained_phi_stays_in_float32_and_that_is_said(tokenizer, caplog, freeze_base, notes):
    network = tiny_gpt2(tokenizer)
    network.fixed_dtype = "bfloat16"
    learner = build_learner(
        Variant(init="pretrained", adapters=True, freeze_base=freeze_base),
        Adapters(bottleneck=4, init_std=0.3),
        (network, tokenizer),
        seed=1,
        attention="eager",
        device=torch.device("cpu"),
    )
    assert len(caplog.messages) == notes
    assert all("base.dtype bfloat16 has no effect here" in line for line in caplog.messages)
    table = learner.parameters(learner.theta)[learner.model.table]
    assert table.dtype == (torch.bfloat16 if freeze_base else torch.float32)

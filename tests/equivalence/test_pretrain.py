"""Pre-training against a plain loop: transformers' loss, torch's scheduler, windows by hand."""

import copy
import math

import numpy as np
import pytest
import torch

from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.model.pretraining.heldout import model_nll
from pipeline.model.pretraining.pretrain import draw_windows, initial_model, pretrain
from pipeline.params import Pretrain


VOCAB = 30
PARAMS = Pretrain(
    tokenizer=None,
    vocab_size=300,
    num_layers=2,
    width=16,
    num_heads=2,
    context=32,
    sequence_length=10,
    batch_size=3,
    steps=12,
    warmup_steps=4,
    lr=0.02,
    weight_decay=0.3,
    holdout=0.1,
)


@pytest.fixture(autouse=True)
def _on_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def ids():
    return np.random.default_rng(0).integers(0, VOCAB, 300).astype(np.uint32)


def _factor(step):
    if step < 4:
        return (step + 1) / 4
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - 4) / 8))


def _reference(model, ids):
    """Update `model` as a textbook would."""
    names = {True: [], False: []}
    for name, parameter in model.named_parameters():
        names["ln" in name or "bias" in name].append(parameter)
    groups = [
        {"params": names[False], "weight_decay": 0.3},
        {"params": names[True], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.02, betas=(0.9, 0.999), eps=1e-8, fused=False)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _factor)
    model.train()
    for step in range(12):
        windows = draw_windows(ids, PARAMS, seed=5, step=step)
        for window in windows:  # one by one, gradients added
            (model(window[None], labels=window[None]).loss / len(windows)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()


def test_training_equals_a_plain_loop(ids):
    # In float32, Adam blows up the rounding errors of gradients that are zero (of the key biases).
    model = initial_model(PARAMS, vocab_size=VOCAB, end=0, seed=1).double()
    start = copy.deepcopy(model)
    expected = copy.deepcopy(model)
    _reference(expected, ids)
    steps = {}
    checkpoint = Checkpoint("base", {})
    pretrain(model, ids, PARAMS, seed=5, checkpoint=checkpoint, advance=steps.__setitem__)
    assert len(steps) == 12
    for name, parameter in model.named_parameters():
        reference = expected.get_parameter(name)
        moved = (reference - start.get_parameter(name)).abs().max()
        assert moved > 1e-3, name
        torch.testing.assert_close(parameter, reference, atol=1e-5, rtol=0, msg=name)


def test_held_out_loss_equals_transformers_token_by_token(ids):
    model = initial_model(PARAMS, vocab_size=VOCAB, end=0, seed=1)
    ids = ids[:37]
    total = 0.0
    for position in range(1, len(ids)):
        first = (position - 1) // 10 * 10
        prefix = torch.from_numpy(ids[first:position].astype(np.int64))[None]
        with torch.no_grad():
            logits = model(prefix).logits[0, -1].double()
        total -= torch.log_softmax(logits, 0)[int(ids[position])].item()
    assert model_nll(model, ids, PARAMS) == pytest.approx(total, rel=1e-6)

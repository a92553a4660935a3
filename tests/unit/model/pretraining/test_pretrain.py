import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from pipeline.errors import DivergedError, ModelError
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.model.pretraining.pretrain import (
    draw_windows,
    initial_model,
    learning_rate,
    pretrain,
    pretraining_checkpoint,
)
from pipeline.params import Pretrain


TINY = {
    "tokenizer": None,
    "vocab_size": 300,
    "num_layers": 1,
    "width": 16,
    "num_heads": 2,
    "context": 32,
    "sequence_length": 12,
    "batch_size": 4,
    "steps": 8,
    "warmup_steps": 2,
    "lr": 0.01,
    "weight_decay": 0.1,
    "holdout": 0.1,
}
VOCAB = 40


def _params(**changes):
    return Pretrain(**{**TINY, **changes})


def _ids(count=400):
    """A text in which each id is followed by the next."""
    return (np.arange(count) % VOCAB).astype(np.uint32)


def _model(seed=0, **changes):
    return initial_model(_params(**changes), vocab_size=VOCAB, end=0, seed=seed)


def _ignore(step, note):
    pass


def _run(params, *, ids=None, seed=0, advance=_ignore, interval=1e9):
    model = initial_model(params, vocab_size=VOCAB, end=0, seed=seed)
    checkpoint = Checkpoint("base", {"seed": str(seed)}, interval=interval)
    ids = _ids() if ids is None else ids
    pretrain(model, ids, params, seed=seed, checkpoint=checkpoint, advance=advance)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(autouse=True)
def _checkpoints_in_tmp(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def test_the_model_has_the_size_asked_for_and_no_dropout():
    model = _model()
    assert model.transformer.wte.weight.shape == (VOCAB, 16)
    assert model.transformer.wpe.weight.shape == (32, 16)
    assert model.lm_head.weight is model.transformer.wte.weight
    config = model.config
    assert (config.n_layer, config.n_head, config.bos_token_id, config.eos_token_id) == (1, 2, 0, 0)
    assert (config.resid_pdrop, config.embd_pdrop, config.attn_pdrop) == (0, 0, 0)


def test_initial_values_depend_on_the_seed_alone_and_leave_the_global_generator():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = _model().state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert _equal(first, _model().state_dict())
    assert not _equal(first, _model(seed=1).state_dict())


def test_learning_rate_warms_up_then_falls_to_a_tenth():
    params = _params(steps=102, warmup_steps=2, lr=0.2)
    rates = [learning_rate(step, params) for step in range(102)]
    assert rates[:3] == [0.1, 0.2, 0.2]
    assert rates[52] == pytest.approx(0.2 * 0.55)  # half-way down
    assert rates[101] == pytest.approx(0.02, rel=0.01)
    assert learning_rate(102, params) == pytest.approx(0.02)
    assert all(a > b for a, b in pairwise(rates[2:]))


def test_learning_rate_without_and_with_nothing_but_warm_up():
    assert learning_rate(0, _params(warmup_steps=0, lr=0.5)) == 0.5
    assert learning_rate(3, _params(warmup_steps=8, steps=4, lr=0.8)) == pytest.approx(0.4)


def test_windows_are_pieces_of_the_text_and_depend_on_seed_and_step():
    params = _params(batch_size=50)
    ids = np.arange(30, dtype=np.uint32)
    windows = draw_windows(ids, params, seed=0, step=3)
    assert windows.dtype == torch.int64
    assert windows.shape == (50, 13)
    assert torch.equal(windows - windows[:, :1], torch.arange(13).expand(50, 13))
    starts = set(windows[:, 0].tolist())
    assert min(starts) == 0
    assert max(starts) == 17  # the last window ends with the text
    assert torch.equal(windows, draw_windows(ids, params, seed=0, step=3))
    assert not torch.equal(windows, draw_windows(ids, params, seed=0, step=4))
    assert not torch.equal(windows, draw_windows(ids, params, seed=1, step=3))


def test_the_shortest_text_is_one_window():
    windows = draw_windows(np.arange(13, dtype=np.uint32), _params(), seed=0, step=0)
    assert torch.equal(windows, torch.arange(13).expand(4, 13))


def test_a_text_shorter_than_a_window_is_refused():
    with pytest.raises(ModelError, match=r"12 tokens.*sequence_length is 12"):
        _run(_params(), ids=_ids(12))


def test_the_loss_falls_and_every_step_is_announced():
    notes = {}
    _run(_params(steps=60, lr=0.03), advance=notes.__setitem__)
    losses = [float(note.removeprefix("loss ")) for note in notes.values()]
    assert list(notes) == list(range(1, 61))
    assert losses[0] == pytest.approx(math.log(VOCAB), abs=0.3)
    assert losses[-1] < 0.5 * losses[0]


def test_equal_runs_give_equal_bits_and_other_seeds_do_not():
    first = _run(_params())
    assert _equal(first, _run(_params()))
    assert not _equal(first, _run(_params(), seed=1))


@pytest.mark.parametrize("stop", [1, 5, 7])
def test_an_interrupted_run_resumes_to_the_same_bits(stop):
    params = _params()
    expected = _run(params)

    def interrupt(step, note):
        if step == stop + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(params, advance=interrupt, interval=0.0)
    resumed = {}
    parameters = _run(params, advance=resumed.__setitem__)
    assert list(resumed) == list(range(stop + 1, 9))
    assert _equal(parameters, expected)


def test_the_checkpoint_is_that_of_its_parameters_tokens_and_seed():
    paths = {
        pretraining_checkpoint(params, ids, seed=seed).path
        for params in (_params(), _params(lr=0.02))
        for ids in (_ids(), _ids()[::-1])
        for seed in (0, 1)
    }
    assert len(paths) == 8


def test_a_loss_that_is_not_finite_stops_the_run():
    with pytest.raises(DivergedError, match=r"step \d+: loss .*; lower base\.pretrain\.lr"):
        _run(_params(steps=200, warmup_steps=0, lr=1e30))


def test_the_model_is_left_in_eval_mode_on_the_cpu():
    model = _model()
    checkpoint = Checkpoint("base", {})
    pretrain(model, _ids(), _params(), seed=0, checkpoint=checkpoint, advance=_ignore)
    assert not model.training
    assert model.device.type == "cpu"

"""States kept in a file without a name."""

import errno
import os

import pytest
import torch

from pipeline.model.network.state_store import StateStore


def states(tokens, seed, dtype=torch.float32):
    return torch.randn(tokens, 8, generator=torch.Generator().manual_seed(seed)).to(dtype)


def test_what_is_put_is_got_to_the_bit(tmp_path):
    store = StateStore(tmp_path / "new", 1 << 20)
    values = {n: states(n + 1, n) for n in range(40)}
    for key, value in values.items():
        assert store.get(key) is None
        store.put(key, value)
        assert torch.equal(store.get(key), value)  # read between writes: the map grows
    for key, value in values.items():
        assert torch.equal(store.get(key), value)
    assert [*(tmp_path / "new").iterdir()] == []  # the file has no name, so nothing stays behind


def test_it_stops_at_its_limit(tmp_path):
    store = StateStore(tmp_path, 3 * states(4, 0).nbytes)
    for key in range(5):
        store.put(key, states(4, key))
    assert len(store) == 3
    assert store.get(4) is None
    assert torch.equal(store.get(2), states(4, 2))


def test_a_full_disk_ends_the_keeping_alone(tmp_path, monkeypatch):
    store = StateStore(tmp_path, 1 << 20)
    store.put("first", states(4, 0))

    def full(*_):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "pwrite", full)
    store.put("second", states(4, 1))
    monkeypatch.undo()
    store.put("third", states(4, 2))
    assert store.get("second") is None
    assert store.get("third") is None
    assert torch.equal(store.get("first"), states(4, 0))


def test_writes_in_parts_are_whole(tmp_path, monkeypatch):
    own = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: own(file, data[:7], at))
    store = StateStore(tmp_path, 1 << 20)
    store.put("a", states(5, 0, torch.float64))
    assert torch.equal(store.get("a"), states(5, 0, torch.float64))


@pytest.mark.parametrize("limit", [0, 1])
def test_a_limit_below_one_tensor_keeps_nothing(tmp_path, limit):
    store = StateStore(tmp_path, limit)
    store.put("a", states(1, 0))
    assert store.get("a") is None

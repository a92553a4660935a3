import pytest
import torch
from safetensors import safe_open

from pipeline.errors import ModelError
from pipeline.model.checkpoint import checkpoint as module
from pipeline.model.checkpoint.checkpoint import (
    Checkpoint,
    add_prefix,
    flatten_optimizer,
    refuse_other_tensors,
    restore_optimizer,
    strip_prefix,
)
from pipeline.model.files.tensors import write_tensors


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return Checkpoint("train-transfer-0", {"params": "{}", "tasks": "ab"})


def _optimizers(kind):
    """Two optimizers over equal parameters, in two groups."""
    made = []
    for _ in range(2):
        generator = torch.Generator().manual_seed(0)
        matrix = torch.randn(3, 2, generator=generator, requires_grad=True)
        vector = torch.randn(2, generator=generator, requires_grad=True)
        groups = [
            {"params": [matrix], "weight_decay": 0.1},
            {"params": [vector], "weight_decay": 0.0},
        ]
        made.append((kind(groups, lr=0.05, betas=(0.8, 0.95)), [matrix, vector]))
    return made


def _step(optimizer, parameters):
    optimizer.zero_grad()
    sum((p**3).sum() for p in parameters).backward()
    optimizer.step()


def test_nothing_saved_is_none(checkpoint):
    assert checkpoint.load() is None


def test_save_then_load_returns_equal_values(checkpoint):
    tensors = {"b": torch.arange(6).reshape(2, 3), "a": torch.tensor(1.5, dtype=torch.float64)}
    checkpoint.save(tensors, {"step": 3, "history": [[1, 0.25]], "name": "θ"})
    loaded, state = checkpoint.load()
    assert state == {"step": 3, "history": [[1, 0.25]], "name": "θ"}
    assert sorted(loaded) == ["a", "b"]
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


def test_shared_and_transposed_tensors_are_saved(checkpoint):
    base = torch.arange(6.0).reshape(2, 3)
    checkpoint.save({"w": base, "tied": base, "t": base.T}, {})
    loaded, _ = checkpoint.load()
    assert torch.equal(loaded["tied"], base)
    assert torch.equal(loaded["t"], base.T)


def test_a_later_save_replaces_the_earlier(checkpoint):
    checkpoint.save({"x": torch.zeros(1)}, {"step": 1})
    checkpoint.save({"y": torch.ones(1)}, {"step": 2})
    loaded, state = checkpoint.load()
    assert (sorted(loaded), state) == (["y"], {"step": 2})
    assert {*checkpoint.path.parent.iterdir()} == {checkpoint.path, checkpoint.before}


def test_a_failed_save_keeps_the_earlier(checkpoint, monkeypatch):
    checkpoint.save({"x": torch.zeros(1)}, {"step": 1})

    def fail(tensors, path, metadata):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_tensors", fail)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save({"x": torch.ones(1)}, {"step": 2})
    assert checkpoint.load()[1] == {"step": 1}
    assert list(checkpoint.path.parent.iterdir()) == [checkpoint.path]


def test_delete_removes_it_and_may_be_repeated(checkpoint):
    checkpoint.save({}, {"step": 1})
    checkpoint.delete()
    checkpoint.delete()
    assert checkpoint.load() is None


@pytest.mark.parametrize("damage", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"not safetensors at all"])
def test_a_damaged_checkpoint_is_named_and_removed(checkpoint, damage):
    checkpoint.save({"x": torch.zeros(4)}, {"step": 1})
    checkpoint.path.write_bytes(damage)
    with pytest.raises(ModelError, match=r"train-transfer-0.*damaged.*run the same command again"):
        checkpoint.load()
    assert checkpoint.load() is None


def test_a_truncated_checkpoint_is_refused(checkpoint):
    checkpoint.save({"x": torch.zeros(400)}, {"step": 1})
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        checkpoint.load()


def test_the_name_depends_on_stage_and_every_part(checkpoint):
    same = Checkpoint("train-transfer-0", {"tasks": "ab", "params": "{}"})
    assert same.path == checkpoint.path
    others = [
        Checkpoint("train-transfer-1", {"params": "{}", "tasks": "ab"}),
        Checkpoint("train-transfer-0", {"params": "{1}", "tasks": "ab"}),
        Checkpoint("train-transfer-0", {"params": "{}", "tasks": "abc"}),
        Checkpoint("train-transfer-0", {"params": "{}", "base": "ab"}),
    ]
    assert len({c.path for c in [checkpoint, *others]}) == 5


def test_without_dvc_the_working_directory_is_used(monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert Checkpoint("base", {}).path.parts[:-1] == (".checkpoints",)


@pytest.mark.parametrize("where", range(20))
def test_one_flipped_bit_anywhere_is_noticed_and_the_save_before_is_used(checkpoint, caplog, where):
    checkpoint.save({"x": torch.zeros(40)}, {"step": 1})
    checkpoint.save({"x": torch.ones(40)}, {"step": 2, "history": [0.25]})
    content = bytearray(checkpoint.path.read_bytes())
    place = where * (len(content) - 1) // 19
    content[place] ^= 1 << (where % 7)
    checkpoint.path.write_bytes(content)
    if content[place : place + 1].isspace():
        content[place] = 0
        checkpoint.path.write_bytes(content)
    tensors, state = checkpoint.load()
    assert (tensors["x"].sum().item(), state["step"]) == (0, 1)
    (line,) = caplog.messages
    assert "damaged checkpoint" in line
    assert line.endswith("the one saved before it is used")


def test_a_stray_rank_without_torchrun_does_not_hide_the_note(checkpoint, caplog, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    for step in (1, 2):
        checkpoint.save({"x": torch.zeros(4)}, {"step": step})
    checkpoint.path.write_bytes(b"broken")
    checkpoint.load()
    assert len(caplog.messages) == 1


def test_a_damaged_save_does_not_take_the_place_of_the_good_one_before(checkpoint):
    for step in (1, 2):
        checkpoint.save({"x": torch.full((4,), step)}, {"step": step})
    checkpoint.path.write_bytes(b"broken")
    assert checkpoint.load()[1] == {"step": 1}
    checkpoint.save({"x": torch.full((4,), 5)}, {"step": 5})
    checkpoint.path.write_bytes(b"broken")
    assert checkpoint.load()[1] == {"step": 1}


def test_a_kill_between_two_renames_loses_one_save_alone(checkpoint):
    checkpoint.save({"x": torch.zeros(1)}, {"step": 1})
    checkpoint.path.replace(checkpoint.before)
    assert checkpoint.load()[1] == {"step": 1}


def test_a_tensor_left_out_or_a_state_edited_is_noticed(checkpoint):
    checkpoint.save({"x": torch.zeros(2), "y": torch.ones(2)}, {"step": 1})
    with safe_open(checkpoint.path, "pt") as file:
        metadata = file.metadata()
    edits = (
        ({"x": torch.zeros(2)}, metadata),
        ({"x": torch.zeros(1, 2), "y": torch.ones(2)}, metadata),
        ({"x": torch.zeros(2), "y": torch.ones(2)}, metadata | {"state": '{"step": 9}'}),
    )
    for tensors, own in edits:
        write_tensors(tensors, checkpoint.path, own)
        with pytest.raises(ModelError, match="not what was saved"):
            checkpoint.load()


@pytest.mark.parametrize(
    ("tensors", "name"),
    [
        ({}, "x"),
        ({"x": torch.zeros(2), "y": torch.zeros(1)}, "y"),
        ({"x": torch.zeros(3)}, "x"),
        ({"x": torch.zeros(2, dtype=torch.int64)}, "x"),
    ],
)
def test_a_checkpoint_of_another_layout_is_refused_by_name(tensors, name):
    with pytest.raises(ModelError, match=f"{name} is .*, expected .*delete .checkpoints"):
        refuse_other_tensors(tensors, {"x": torch.zeros(2)})


def test_an_optimizer_of_other_shapes_is_refused():
    (first, parameters), _ = _optimizers(torch.optim.Adam)
    _step(first, parameters)
    tensors, state = flatten_optimizer(first)
    with pytest.raises(ModelError, match="other shapes"):
        restore_optimizer(first, tensors | {"optimizer.0.exp_avg": torch.zeros(9)}, state)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_a_restored_optimizer_goes_on_exactly(checkpoint, kind):
    (first, parameters), (second, copies) = _optimizers(kind)
    for _ in range(3):
        _step(first, parameters)
    first.param_groups[0]["lr"] = 0.01
    tensors, state = flatten_optimizer(first)
    checkpoint.save(tensors | {"theta.0": torch.zeros(1)}, {"optimizer": state})
    loaded, saved = checkpoint.load()
    restore_optimizer(second, loaded, saved["optimizer"])
    with torch.no_grad():
        for copy, parameter in zip(copies, parameters, strict=True):
            copy.copy_(parameter)
    assert second.param_groups[0]["lr"] == 0.01
    assert second.param_groups[1]["weight_decay"] == 0.0
    assert second.param_groups[0]["betas"] == (0.8, 0.95)
    for _ in range(3):
        _step(first, parameters)
        _step(second, copies)
    for copy, parameter in zip(copies, parameters, strict=True):
        assert torch.equal(copy, parameter)


def test_an_optimizer_of_other_groups_is_refused():
    (first, parameters), _ = _optimizers(torch.optim.Adam)
    _step(first, parameters)
    other = torch.optim.Adam(parameters)
    with pytest.raises(ModelError, match="another optimizer"):
        restore_optimizer(other, *flatten_optimizer(first))


def test_prefixes():
    tensors = {"a": torch.zeros(1), "b.c": torch.ones(1)}
    prefixed = add_prefix(tensors, "theta.")
    assert sorted(prefixed) == ["theta.a", "theta.b.c"]
    back = strip_prefix(prefixed | {"other.a": torch.ones(1)}, "theta.")
    assert back == tensors

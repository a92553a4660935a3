"""Overlays: the values of the preset that they extend, and their own in its text."""

import pytest
from ruamel.yaml import YAML

from pipeline.errors import ParamsError
from pipeline.params import load_preset, read_yaml
from pipeline.params.presets import EXTENDS, preset_names, preset_text
from tests.wiring.closure import ROOT


PRESETS = ROOT / "presets"
EMBEDDED = PRESETS / "embedded.yaml"
OVERLAYS = [name for name in preset_names(PRESETS) if name != "embedded"]


@pytest.fixture
def presets(tmp_path):
    """A folder with the embedded preset alone."""
    (tmp_path / "embedded.yaml").write_bytes(EMBEDDED.read_bytes())
    return tmp_path


def parsed(text):
    return YAML(typ="safe", pure=True).load(text)


def merged(presets, overlay):
    (presets / "mine.yaml").write_text(f"extends: embedded\n{overlay}")
    return parsed(preset_text("mine", presets))


def leaves(node, path=()):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def own_leaves(name):
    values = read_yaml(PRESETS / f"{name}.yaml")
    assert values.pop(EXTENDS) == "embedded"
    return dict(leaves(values))


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_the_embedded_preset_except_for_its_own_values(name):
    whole = dict(leaves(parsed(preset_text(name, PRESETS))))
    own = own_leaves(name)
    replaced = {
        path[:length] for path in own for length in range(len(path))
    }  # null, then a mapping
    kept = {path: value for path, value in leaves(read_yaml(EMBEDDED)) if path not in replaced}
    assert whole == kept | own
    load_preset(name, PRESETS).check()


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_does_not_repeat_what_embedded_says(name):
    embedded = dict(leaves(read_yaml(EMBEDDED)))
    own = own_leaves(name)  # a variant's axis may be one that `embedded` leaves at its default
    assert [k for k, value in own.items() if k in embedded and embedded[k] == value] == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_text_has_embeddeds_comments_and_the_overlays_first_lines(name):
    text, own = preset_text(name, PRESETS), (PRESETS / f"{name}.yaml").read_text()
    header = own[: own.index("\n\n")]
    assert header.startswith(f"# Preset `{name}`: ")
    assert f"#\n{header}\n\nseeds:" in text
    assert "Preset `embedded`" not in text

    def comments(whole):
        lines = whole[whole.index("\nseeds:") :].splitlines()
        return [line.partition("#")[2] for line in lines if "#" in line]

    assert comments(text) == comments(EMBEDDED.read_text())


def test_every_preset_states_its_disk():
    for name in preset_names(PRESETS):
        header = preset_text(name, PRESETS).partition("\nseeds:")[0]
        assert "of disk" in header, name


def test_mappings_merge_and_anything_else_is_replaced(presets):
    values = merged(
        presets,
        """
seeds: [1, 2]
scored: [reinit]
finetune: {k: [], max_folds: {test: null}}
variants: {mine: {init: random}, in_place: {set: {inner_lr: 0.5}}}
tune: {train: {adapters.bottleneck: [1]}}
""",
    )
    assert (values["seeds"], values["scored"], values["finetune"]["k"]) == ([1, 2], ["reinit"], [])
    assert values["finetune"]["max_folds"] == {"valid": 1, "test": None}
    assert values["variants"]["mine"] == {"init": "random"}
    assert values["variants"]["in_place"] == {"init": "pretrained", "set": {"inner_lr": 0.5}}
    assert "transfer" in values["variants"]
    assert list(values["tune"]["train"]) == ["train.lr", "finetune.lr", "adapters.bottleneck"]


def test_a_number_keeps_its_spelling(presets):
    merged(presets, "outer_lr: 0.00000625\n")
    assert "\nouter_lr: 0.00000625 " in preset_text("mine", presets)


def test_a_variant_of_embedded_is_in_every_preset(presets):
    text = (presets / "embedded.yaml").read_text()
    text = text.replace("\nvariants:", "\n  - mine\nvariants:")
    text = text.replace("  reinit: {init: random}\n", "  reinit: {init: random}\n  mine: {}\n")
    (presets / "embedded.yaml").write_text(text)
    values = merged(presets, "seeds: [1]\n")
    assert "mine" in values["variants"]
    assert values["scored"][-1] == "mine"


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ("iner_lr: 1", r"mine.yaml: iner_lr: there is no such parameter"),
        ("train: {rate: 1}", r"mine.yaml: train.rate: there is no such parameter"),
        ("base: {pretrain: {x: {y: 1}}}", r"mine.yaml: base.pretrain.x: there is no such"),
        ("receiver: {lr: 1}", r"mine.yaml: receiver: is p2bot.receiver now; move it there"),
    ],
)
def test_a_key_that_does_not_exist_is_refused_by_its_path(presets, overlay, message):
    with pytest.raises(ParamsError, match=message):
        merged(presets, overlay)


@pytest.mark.parametrize("extended", ["none", "[a]", "chain"])
def test_only_a_whole_preset_can_be_extended(presets, extended):
    (presets / "chain.yaml").write_text("extends: embedded\n")
    (presets / "mine.yaml").write_text(f"extends: {extended}\n")
    with pytest.raises(ParamsError, match=r"mine.yaml: extends: a whole preset was expected"):
        preset_text("mine", presets)


def test_an_impossible_value_is_refused_by_the_overlays_name(presets):
    (presets / "mine.yaml").write_text("extends: embedded\nouter_lr: -1\n")
    with pytest.raises(ParamsError, match=r"mine.yaml: outer_lr: .*greater than 0, found -1"):
        load_preset("mine", presets).check()

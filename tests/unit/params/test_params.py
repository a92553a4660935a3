"""params.yaml: what is refused, and that the message says where and why."""

import pytest
from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.params import (
    MetaTrainParams,
    ReceiverParams,
    SelfPlayParams,
    Settings,
    TrainParams,
    Variant,
    load_preset,
    read_yaml,
)
from tests.wiring.closure import ROOT


@pytest.fixture
def values():
    return read_yaml(ROOT / "presets/embedded.yaml")


def changed(values, key, value):
    *path, last = key.split(".")
    node = values
    for part in path:
        node = node[part]
    node[last] = value
    return Settings(values, "params.yaml")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("inner_lr", -0.1, r"inner_lr: Input should be greater than 0, found -0.1"),
        ("inner_lr", "fast", r"inner_lr: Input should be a valid number, found 'fast'"),
        ("inner_lr", True, r"inner_lr: Input should be a valid number, found True"),
        ("inner_lr", float("nan"), r"inner_lr: Input should be .*finite"),
        ("inner_steps", 1.5, r"inner_steps: Input should be a valid integer, found 1.5"),
        ("inner_steps", 0, r"inner_steps: Input should be greater than or equal to 1, found 0"),
        ("meta_gradient", "second", r"meta_gradient: .*'exact', 'first_order' or 'reptile'"),
        ("train.momentum", 0.9, r"train.momentum: unknown key \(value 0.9\)"),
        ("finetune.epochs", [1, 3], r"finetune: .*must start with 0"),
        ("finetune.epochs", [], r"finetune: epochs must start with 0"),
        ("finetune.k", [1, 2], r"finetune: .*so must k, or be empty"),
        ("finetune.k", [0, 3, 1], r"finetune: .*increasing list, found \[0, 3, 1\]"),
        ("data.source", "https://x/y.tgz", r"data: .*a URL as data.source needs data.sha256"),
        ("data.sha256", "abc", r"data.sha256: String should match pattern"),
        ("base.pretrain.num_heads", 3, r"width 64 is not a multiple of num_heads 3"),
        ("base.context", 385, r"base: context is 385, but base.pretrain.context 384; lower the fi"),
        ("variants.in_place.init", "warm", r"variants.in_place.init: .*'pretrained' or 'random'"),
        ("variants.in_place.freeze_base", True, r"leaves nothing to train"),
        ("variants.in_place.set", {"iner_lr": 1}, r"set: iner_lr: there is no such parameter"),
        ("variants.in_place.set", {"train.lr": -1.0}, r"train.lr: .*greater than 0, found -1.0"),
        *(
            ("variants.in_place.set", {key: value}, rf"set: {key}: not read for one .*adapters, fi")
            for key, value in (
                ("base.pretrain.width", 128),
                ("data.source", "x"),
                ("score.seed", 7),
                ("seeds", [0]),
                ("p2bot.receiver.lr", 0.1),
                ("p2bot", {}),
                ("trained", []),
                ("tune.seed", 1),
            )
        ),
        ("tune.train", {"score.seed": [0, 1, 2, 3, 4]}, r"set: score.seed: not read for one"),
        (
            "variants.in_place.set",
            {"variants.x": 1},
            r"set: variants.x: a `set` cannot change variants",
        ),
        ("seeds", [0, 0], r"seeds must be distinct, found \[0, 0\]"),
        (
            "compare.claims",
            [{"a": "in_place", "b": "transfr", "question": "?"}],
            r"compare.claims: 'transfr' is not among the variants",
        ),
        (
            "compare.claims",
            [{"a": "in_place", "b": "in_place", "question": "?"}],
            r"claims: 'in_place' cannot be compared with itself",
        ),
        (
            "compare.claims",
            [
                {"a": "in_place", "b": "transfer", "question": "?"},
                {"a": "transfer", "b": "in_place", "question": "?"},
            ],
            r"claims: two are about in_place and transfer",
        ),
        ("seeds", [], r"seeds: List should have at least 1 item"),
    ],
)
def test_impossible_values_are_refused_by_name(values, key, value, message):
    with pytest.raises(ParamsError, match=message):
        changed(values, key, value).check()


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("receiver", r"'receiver'; is p2bot.receiver now; move it there"),
        ("self_play", r"'self_play'; is p2bot.self_play now; move it there"),
        ("extends", r"'extends'; is for files of presets/; `python -m stages.preset NAME`"),
        ("tasks.persona_rule", r"tasks.persona_rule: is gone: .*canonical; delete the line"),
        ("finetune.next_utterance", r"finetune.next_utterance: is gone: .*delete the line"),
    ],
)
def test_a_key_of_an_earlier_version_says_what_to_do(values, key, message):
    with pytest.raises(ParamsError, match=message):
        changed(values, key, {}).check()


def test_a_set_of_an_earlier_version_says_what_to_do(values):
    settings = changed(values, "variants.p2bot.set", {"self_play.lr": 0.1})
    with pytest.raises(ParamsError, match=r"set: self_play.lr: is p2bot.self_play.lr now"):
        settings.check()


def test_an_unknown_key_is_refused_by_every_stage(values):
    with pytest.raises(ParamsError, match=r"unknown key 'iner_lr'; allowed are .*inner_lr"):
        Settings(values | {"iner_lr": 0.1}, "params.yaml")


def test_a_missing_key_is_named(values):
    del values["outer_lr"]
    with pytest.raises(ParamsError, match=r"outer_lr: missing; presets/embedded.yaml has it"):
        Settings(values, "params.yaml").view(MetaTrainParams)


def test_a_stage_sees_its_own_keys_only(values):
    settings = changed(values, "outer_lr", "broken")
    assert TrainParams.read_keys() == ["adapters", "train"]
    settings.view(TrainParams)  # what it does not read cannot stop it


def test_set_replaces_values_for_one_variant(values):
    values["variants"]["in_place"]["set"] = {"inner_lr": 0.5, "adapters.bottleneck": 3}
    settings = Settings(values, "params.yaml")
    own = settings.view(MetaTrainParams, settings.variant("in_place").set)
    assert (own.inner_lr, own.adapters.bottleneck) == (0.5, 3)
    other = settings.view(MetaTrainParams, settings.variant("extra_place").set)
    assert other.inner_lr == values["inner_lr"]


def test_set_replaces_a_value_of_self_play(values):
    values["variants"]["p2bot"]["set"] = {"p2bot.self_play.lr": 0.5}
    settings = Settings(values, "params.yaml")
    settings.check()
    own = settings.view(SelfPlayParams, settings.variant("p2bot").set)
    assert own.self_play.lr == 0.5


def test_each_of_p2bots_stages_reads_its_own_section(values):
    assert ReceiverParams.read_keys() == ["p2bot.receiver"]
    settings = changed(values, "p2bot.self_play.lr", "broken")
    assert settings.view(ReceiverParams).receiver.negatives == 1
    with pytest.raises(ParamsError, match=r"p2bot.self_play.lr: .*valid number, found 'broken'"):
        settings.view(SelfPlayParams)
    with pytest.raises(ParamsError, match=r"p2bot.self_play.lr: .*valid number, found 'broken'"):
        settings.check()


def test_what_set_may_not_hold_stops_a_stage_too(values):
    """No stage validates the whole file; a row of one seed would go unnoticed."""
    settings = changed(values, "variants.in_place.set", {"seeds": [0]})
    with pytest.raises(ParamsError, match="set: seeds: not read for one variant alone"):
        settings.view(MetaTrainParams, settings.variant("in_place").set)


def test_an_unknown_variant_lists_what_there_is(values):
    with pytest.raises(ParamsError, match=r"variants: no 'inplace'; there are: reinit, transfer"):
        Settings(values, "params.yaml").variant("inplace")


def test_a_number_as_dvc_writes_it_is_a_number(tmp_path):
    """`-S outer_lr=1e-5` puts `1e-05` into the file, which YAML 1.1 reads as a string."""
    path = tmp_path / "params.yaml"
    text = (
        (ROOT / "presets/embedded.yaml").read_text().replace("outer_lr: 0.003", "outer_lr: 1e-05")
    )
    path.write_text(text)
    assert Settings.load(path).view(MetaTrainParams).outer_lr == 1e-5


@pytest.mark.parametrize("text", ["- a\n", "a: [1\n", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        Settings.load(path)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ParamsError, match=r"not found; run from the project's root"):
        Settings.load(tmp_path / "params.yaml")


@pytest.mark.parametrize(("key", "value"), [("learn_inner_lr", True), ("support_loss", 0.5)])
def test_reptile_has_no_outer_loss_to_change(values, key, value):
    values |= {"meta_gradient": "reptile", "meta_train": values["meta_train"] | {key: value}}
    with pytest.raises(ParamsError, match=rf"reptile has no outer loss, so .*meta_train\.{key}"):
        Settings(values, "params.yaml").view(MetaTrainParams)


def test_learned_rates_are_of_sgd_steps(values):
    values["meta_train"] |= {"learn_inner_lr": True, "inner_optimizer": "adam"}
    with pytest.raises(ParamsError, match="rates of SGD steps, found inner_optimizer adam"):
        Settings(values, "params.yaml").view(MetaTrainParams)


def test_a_variants_defaults_are_pinned():
    """A default is no value in params.yaml: DVC would not notice its change."""
    assert Variant(init="random").model_dump() == {
        "init": "random",
        "adapters": False,
        "freeze_base": False,
        "persona_text": True,
        "next_utterance": None,
        "format": "special",
        "set": {},
    }


def test_app_b_is_the_paper_preset():
    paper = load_preset("paper", ROOT / artifacts.PRESETS).check()
    assert (paper.inner_lr, paper.outer_lr, paper.train.lr) == (0.001, 0.0003, 0.001)
    assert (paper.inner_batch_size, paper.outer_batch_size) == (4, 2)
    assert (paper.train.batch_size, paper.generate.top_p) == (16, 0.92)
    assert paper.meta_gradient == "exact"
    assert paper.data.source == "personachat"


def test_block_style_survives_a_round_trip():
    """`dvc exp run -S` rewrites flow lists as block lists: params.yaml must hold none."""
    yaml = YAML()
    text = (ROOT / "presets/embedded.yaml").read_text()
    lists = [v for v in yaml.load(text).values() if isinstance(v, list)]
    assert lists
    assert not any(value.fa.flow_style() for value in lists)

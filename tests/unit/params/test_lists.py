"""The lists of variants in params.yaml: whatever does not fit together is refused by name."""

import json

import pytest

from pipeline.errors import ParamsError
from pipeline.params import CompareParams, FinetuneParams, ReportParams, Settings, read_yaml
from pipeline.params.sections.variant import RESERVED
from tests.wiring.closure import ROOT


@pytest.fixture
def values():
    return read_yaml(ROOT / "presets/embedded.yaml")


def refuses(values, message, view=None):
    settings = Settings(values, "params.yaml")
    with pytest.raises(ParamsError, match=message) as refusal:
        settings.view(view) if view else settings.check()
    assert "\n" not in str(refusal.value)


def add(values, name, *lists, **axes):
    values["variants"][name] = {"init": "pretrained"} | axes
    for key in lists:
        values[key].append(name)


def test_a_variant_with_its_lists_is_all_that_is_needed(values):
    add(values, "mine", "meta_trained", "scored", set={"meta_gradient": "first_order"})
    params = Settings(values, "params.yaml").check()
    assert params.scored[-1] == "mine"
    assert params.lists_with("mine") == ["meta_train"]


def test_a_variant_in_no_list_is_not_run_and_not_refused(values):
    add(values, "draft")
    Settings(values, "params.yaml").check()


@pytest.mark.parametrize("key", ["trained", "meta_trained", "self_played"])
def test_a_listed_name_is_a_variant(values, key):
    values[key].append("transfr")
    refuses(values, rf"{key}: 'transfr' is no key of variants; add its axes there")


def test_a_variant_has_one_method(values):
    values["meta_trained"].append("transfer")
    message = r"'transfer' stands in trained and meta_trained; a variant has one training method"
    refuses(values, message)
    refuses(values, message, ReportParams)


def test_a_scored_variant_is_trained(values):
    add(values, "mine", "scored")
    refuses(values, r"scored: 'mine' is not trained; put it into one of trained, meta_trained, sel")


@pytest.mark.parametrize("view", [None, CompareParams, ReportParams])
def test_a_table_without_rows_is_refused_by_name(values, view):
    values["scored"] = []
    refuses(
        values, "scored is empty; Table 1 needs a row: name a variant of trained, meta_tr", view
    )


@pytest.mark.parametrize("key", ["trained", "meta_trained", "self_played", "scored"])
def test_a_name_is_listed_once(values, key):
    values[key].append(values[key][0])
    refuses(values, rf"{key}: '{values[key][0]}' is listed twice")


def test_what_a_stage_reads_is_checked_by_the_stage(values):
    values["scored"].append("transfer")
    refuses(values, "scored: 'transfer' is listed twice", CompareParams)
    refuses(values, "scored: 'transfer' is listed twice", ReportParams)


def test_self_play_needs_its_transmitter(values):
    values["trained"].remove("p2bot_transmitter")
    refuses(values, "'p2bot' starts from 'p2bot_transmitter', which is not in trained; add it")


@pytest.mark.parametrize(
    "change",
    [{"persona_text": False}, {"set": {"adapters.bottleneck": 3}}, {"next_utterance": None}],
)
def test_self_play_has_the_axes_of_its_transmitter(values, change):
    values["variants"]["p2bot"] = values["variants"]["p2bot"] | change
    refuses(values, "'p2bot' starts from 'p2bot_transmitter', so both must have the same axes")


def test_self_play_may_set_its_own_rates(values):
    values["variants"]["p2bot"]["set"] = {"p2bot.self_play.lr": 0.1, "finetune.lr": 0.2}
    Settings(values, "params.yaml").check()


@pytest.mark.parametrize("name", ["a.b", "a b", "a/b", "-a", "é", ""])
def test_a_name_is_of_letters_digits_and_dashes(values, name):
    add(values, name, "trained")
    refuses(values, "a variant's name is made of letters, digits, _ and -, not - first, found")
    values["trained"].pop()
    refuses(values, "variants.*made of letters, digits")
    with pytest.raises(ParamsError, match="made of letters"):
        Settings(values, "params.yaml").variant(name)


@pytest.mark.parametrize("key", ["trained", "meta_trained", "self_played", "scored"])
@pytest.mark.parametrize("name", ["../x", "..", "a/b", "a b", "$(x)", 3, None, "base"])
def test_a_name_that_is_none_is_refused_by_whatever_stage_reads_the_file(tmp_path, key, name):
    """`dvc repro` makes paths of it; the first stage to run may read no list."""
    text = (ROOT / "presets/embedded.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(f"\n{key}:", f"\n{key}:\n  - {json.dumps(name)}", 1))
    with pytest.raises(ParamsError, match=rf"params\.yaml: {key}: .*name.*, found ") as refusal:
        Settings.load(path)
    assert str(refusal.value).isprintable()


def test_a_name_of_other_files_is_refused(values):
    assert set(RESERVED) == {"base", "p2_receiver", "comparison", "floors"}
    for name in RESERVED:
        add(values, name, "trained", "scored")
        refuses(values, f"no variant may have this name.*, found '{name}'")
        values["scored"].pop()
        values["trained"].pop()
        del values["variants"][name]


def test_a_number_is_no_name(values):
    add(values, 3)
    refuses(values, r"variants.3: Input should be a valid string, found 3")


def test_a_file_without_lists_says_where_they_are(values):
    del values["scored"]
    refuses(values, "params.yaml: scored: missing; presets/embedded.yaml has it")


def test_an_empty_list_of_what_adapts_is_refused_by_name(values):
    values["meta_train"]["inner_parameters"] = []
    refuses(values, r"meta_train\.inner_parameters: .* at least 1 item")


def test_a_seed_twice_is_refused_by_fine_tuning_too(values):
    """It would fine-tune twice, and `score` would find each record doubled."""
    refuses(values | {"seeds": [1, 1]}, r"seeds must be distinct, found \[1, 1\]", FinetuneParams)


@pytest.mark.parametrize("key", ["base.pretrain.weight_decay", "p2bot.self_play.language"])
def test_an_infinite_weight_is_refused(values, key):
    outer, inner, name = key.split(".")
    values[outer][inner][name] = float("inf")
    refuses(values, rf"{key}: .*finite")

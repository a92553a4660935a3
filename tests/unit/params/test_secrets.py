"""A URL of params.yaml may hold a password or a token: no message and no output shows them."""

import pytest

from pipeline import artifacts
from pipeline.errors import ParamsError, public_urls
from pipeline.params import Settings
from pipeline.params.edit import without_secrets
from pipeline.params.presets import put_in_force
from pipeline.params.settings import settings_of
from pipeline.params.yaml_text import loaded, shown
from stages.commands.preset import preset
from stages.commands.table import _comparability
from stages.shell import console
from tests.wiring.closure import ROOT


URL = "http://ann:s3cret@host/p.tgz?token=T0KEN"
SECRETS = ("ann", "s3cret", "T0KEN")
SHA256 = "a" * 64


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path, monkeypatch):
    (tmp_path / "presets").symlink_to(ROOT / "presets")
    monkeypatch.chdir(tmp_path)


def is_public(text: object) -> bool:
    return not any(secret in str(text) for secret in SECRETS)


def test_what_is_printed_of_a_run_has_the_public_part():
    data = [f"data.source={URL}", f"data.sha256={SHA256}", f"base.source={URL}"]
    put_in_force("embedded", data)
    said = _comparability(Settings.load().check())
    assert is_public(said)
    assert "data.source http://host/p.tgz, base.source http://host/p.tgz" in said


def test_a_path_is_said_by_the_name_that_outs_have():
    """An edit to a path of the same name is not noticed, so no path stands beside the numbers."""
    put_in_force("embedded", ["data.source=./mine/chats", "base.source=/disk/gpt2"])
    said = _comparability(Settings.load().check())
    assert "ours: data.source chats, base.source gpt2;" in said


def test_the_preset_that_is_put_in_force_is_said_without(capsys):
    preset("embedded", [f"data.source={URL}", f"data.sha256={SHA256}"])
    said = " ".join(capsys.readouterr().out.split())
    assert is_public(said)
    assert "data.source=http://host/p.tgz" in said
    assert URL in artifacts.PARAMS.read_text()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (f"data.sauce={URL}", "data.sauce: unknown key"),
        (f"{URL}=1", "there is no such parameter"),
        (URL, "there is no such parameter"),
        (URL.partition("?")[0], "KEY=VALUE was expected"),
        (f"data.source.x={URL}", "there is no such parameter"),
        (f"data.source=[{URL}", "the value is not YAML"),
        (f"data.pause={URL}", "data.pause"),
        (f"seeds=[{URL}]", "seeds"),
        (f"data={{source: {URL}}}", "data"),
        (f"scored=[{URL}]", "scored"),
        (f"variants.in_place.set={{data.source: {URL}}}", "not read for one variant alone"),
    ],
)
def test_a_value_that_is_refused_is_said_without(assignment, message):
    with pytest.raises(ParamsError, match=message) as caught:
        preset("embedded", [assignment])
    assert is_public(caught.value)


def test_a_long_url_is_made_public_before_it_is_cut():
    long = f"http://ann:{'s3cret' * 20}@host/{'x' * 90}?token=T0KEN"
    assert is_public(shown(long))
    assert is_public(shown([{long: long}]))
    with pytest.raises(ParamsError, match="unknown key") as caught:
        settings_of(f"'{long}': 1", "params.yaml")
    assert is_public(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"data: {{source: {URL}, [}}",
        f"data:\n  source: {URL}{'x' * 90}: x",
        f"a: {URL}\na: {URL}",
        f"a: !{URL} x",
        f"{{a: {URL}",
    ],
)
def test_text_that_is_no_yaml_is_said_without(text):
    with pytest.raises(ValueError, match=r"line \d") as caught:
        loaded(text)
    assert is_public(caught.value)


def test_a_line_without_a_url_is_shown():
    with pytest.raises(ValueError, match=r"a: \[1, \}"):
        loaded(f"# {URL}\na: [1, }}")


def test_whatever_is_said_on_the_way_out_is_public(capsys):
    console.note(f"found '{URL}' there")
    assert "found 'http://host/p.tgz' there" in " ".join(capsys.readouterr().err.split())


def test_a_quote_in_a_password_does_not_end_the_url():
    assert public_urls("at http://ann:s3'cr\"et@host/x?y=1 it is") == "at http://host/x it is"
    assert public_urls("at http://ann:s3 cret@host/x it is") == "at http://host/x it is"
    assert public_urls("url 'http://host/x?k='s3cret'' it is") == "url 'http://host/x'' it is"
    assert public_urls("http://host:80 or http://ann@b/x") == "http://host:80 or http://b/x"
    for harmless in ("http://hub:443 is not there, ask x@y.org", "http://a.b missing, ask x@y.org"):
        assert public_urls(harmless) == public_urls(harmless.replace(" missing", ": missing"))
        assert public_urls(harmless) == harmless


def test_what_a_study_keeps_of_params_has_the_public_part_alone():
    put_in_force("embedded", [f"data.source={URL}", f"data.sha256={SHA256}"])
    text = artifacts.PARAMS.read_text(encoding="utf-8")
    kept = without_secrets(text)
    assert is_public(kept)
    assert loaded(kept) == loaded(text.replace(URL, "http://host/p.tgz"))
    assert without_secrets(kept) == kept

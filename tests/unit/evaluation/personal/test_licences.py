"""Whose licences an export's card names: those of what the model was made from."""

from time import process_time

import pytest

from pipeline import artifacts
from pipeline.model.export.licence import licence_beside
from pipeline.params import read_yaml
from stages.commands.export import export
from tests.conftest import tiny_gpt2
from tests.support.exports import save_variant, write_base
from tests.support.toy_project import write_params


@pytest.fixture
def here(tokenizer, tmp_path, monkeypatch):
    """A trained variant of a base from the folder `elsewhere`, which `base.source` names."""
    monkeypatch.chdir(tmp_path)
    write_base(tokenizer, tiny_gpt2(tokenizer, n_layer=1))
    source = tmp_path / "elsewhere"
    source.mkdir()
    weights = source / "model.safetensors"
    weights.write_bytes(b"weights")
    made_of({"model.safetensors": artifacts.sha256_of(weights)}, source="folder")
    of_data("synthetic")
    naming(base=str(source))
    return tmp_path


def made_of(weights, source):
    facts = {"source": source, "revision": None, "weights_sha256": weights}
    artifacts.write_json(artifacts.BASE_FACTS, facts)
    save_variant()


def of_data(source):
    artifacts.write_json(artifacts.TASKS_SUMMARY, {"source": {"corpus": {"source": source}}})


def naming(**sources):
    params = read_yaml(artifacts.PARAMS)
    for group, source in sources.items():
        params[group]["source"] = source
    write_params(artifacts.PARAMS.parent, params)


def licensed(folder):
    folder.mkdir(exist_ok=True)
    (folder / "LICENSE.txt").write_text("ours")
    (folder / "README.md").write_text("---\ntags:\n- x\nlicense: apache-2.0\n---\n# Model\n")


def card_of(folder):
    export("in_place", folder)
    return (folder / "README.md").read_text()


def test_the_card_and_the_licence(here, capsys):
    export("in_place", here / "a")
    assert "licence of the base: no name in a README.md; no licence file" in capsys.readouterr().err
    licensed(here / "elsewhere")
    card = card_of(here / "b")
    assert (here / "b/LICENSE-base-LICENSE.txt").read_text() == "ours"
    assert "license: apache-2.0" in card
    assert "Not scored" in card
    assert capsys.readouterr().err == ""


def test_a_strangers_link_takes_no_file_of_the_users_along(here):
    """Published, the export would have held whatever the link led to."""
    secret = here / "secret"
    secret.write_text("---\nlicense: my-secret\n---\n")
    corpus = here / "corpus"
    licensed(here / "elsewhere")
    licensed(corpus)
    for folder in (here / "elsewhere", corpus):
        (folder / "COPYING").symlink_to(secret)
        (folder / "NOTICE").symlink_to("NOTICE")  # to itself
        (folder / "README.md").unlink()
        (folder / "README.md").symlink_to("../secret")
    of_data("corpus")
    naming(data=str(corpus))
    card = card_of(here / "a")
    assert {file.name for file in (here / "a").glob("LICENSE-*")} == {
        "LICENSE-base-LICENSE.txt",
        "LICENSE-data-LICENSE.txt",
    }
    assert card.count("LICENSE.txt; not taken, a link out of its folder: COPYING") == 2
    assert not any("secret" in file.read_text() for file in (here / "a").glob("*.*d"))


def test_the_links_of_the_hubs_cache_are_its_own(tmp_path):
    snapshot, blobs = (tmp_path / "models--some--model" / n for n in ("snapshots/0f", "blobs"))
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    licensed(blobs)
    for name in ("LICENSE.txt", "README.md"):
        (snapshot / name).symlink_to(f"../../blobs/{name}")
    found = licence_beside(str(snapshot))
    assert (found.name, [file.read_text() for file in found.files]) == ("apache-2.0", ["ours"])
    tmp_path.joinpath("models--some--model").rename(tmp_path / "model")
    assert not licence_beside(str(tmp_path / "model/snapshots/0f")).found


def test_a_readme_of_blank_lines_is_read_once(tmp_path):
    """60 kB took a minute, and twice as much four times as long."""
    readme = tmp_path / "README.md"
    readme.write_text("---" + "\n" * 1_000_000 + "x")
    before = process_time()
    assert not licence_beside(str(tmp_path)).found
    assert process_time() - before < 20
    readme.write_text("---\ntags: x\n---\nlicense: mit\n")
    assert licence_beside(str(tmp_path)).name is None
    readme.write_text("---\ntags: x\nLicense:  mit \n---\n")
    assert licence_beside(str(tmp_path)).name == "mit"


def test_another_base_than_params_yaml_names(here, capsys):
    """Other weights, a base from the hub, one that was pre-trained here."""
    licensed(here / "elsewhere")
    made_of({"model.safetensors": "0" * 64}, source="folder")
    card = card_of(here / "a")
    assert "apache" not in card
    assert not list((here / "a").glob("LICENSE-*"))
    assert "with other weights than `base.source` has now" in capsys.readouterr().err
    made_of({"model.safetensors": "0" * 64}, source="some/model")
    assert "Licence: not known here; see where 'some/model' comes from" in card_of(here / "b")
    made_of(None, source="pretrain")
    assert "that of what it was pre-trained on: the text of `data.pretrain`" in card_of(here / "c")


def test_a_base_of_synthetic_text_says_so(here):
    """If the text is that of the download whose tasks are there."""
    facts = {"source": "pretrain", "revision": None, "weights_sha256": None}
    artifacts.write_json(artifacts.BASE_FACTS, facts | {"pretraining": {"text_sha256": "1" * 64}})
    save_variant()

    def of_text(**values):
        source = {"corpus": {"source": "chats"}, "pretrain": {"text_sha256": "1" * 64} | values}
        artifacts.write_json(artifacts.TASKS_SUMMARY, {"source": source})

    of_text(kind="synthetic", source="synthetic")
    synthetic = "synthetic text, which this project's own program wrote"
    card = card_of(here / "a")
    assert f"Base: pre-trained here, from random parameters, on {synthetic}. " in card
    assert f"Licence: that of what it was pre-trained on: {synthetic}." in card
    of_text(kind="file", source="mine.txt")
    assert "from random parameters, on the text of mine.txt." in card_of(here / "b")
    of_text(kind="synthetic", source="synthetic", text_sha256="2" * 64)
    assert "on the text of `data.pretrain`." in card_of(here / "c")


def test_no_path_of_this_machine_leaves(here):
    """Data and base are named by absolute paths, which exist or do not."""
    for number, source in enumerate([here / "corpus", here / "gone"]):
        licensed(here / "corpus")
        naming(data=str(source))
        of_data(str(source))
        card_of(here / f"out{number}")
        for file in (here / f"out{number}").rglob("*"):
            if file.suffix != ".safetensors" and file.is_file():
                assert str(here) not in file.read_text(), file


def test_other_data_than_params_yaml_names(here, capsys):
    licensed(here / "corpus")
    naming(data=str(here / "corpus"))
    assert "Data: synthetic. Licence: made by this project's own program" in card_of(here / "a")
    of_data("chats")
    assert "Data: chats. Licence: not known here; see where 'chats'" in card_of(here / "b")
    assert "licence of the data: not known here" in capsys.readouterr().err
    of_data("corpus")
    assert "Data: corpus. Licence: apache-2.0, as its README.md says" in card_of(here / "c")
    naming(data="synthetic")
    assert "Data: corpus. Licence: not known here" in card_of(here / "d")


def test_the_licence_of_this_project_is_not_that_of_a_file_in_its_folder(tmp_path, monkeypatch):
    (tmp_path / "LICENSE").write_text("of the project")
    (tmp_path / "chats.jsonl").touch()
    assert licence_beside(str(tmp_path / "chats.jsonl")).found
    monkeypatch.chdir(tmp_path)
    assert not licence_beside("chats.jsonl").found

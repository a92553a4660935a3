r"""Names of files that are no UTF-8, and `"\ud800"` in JSON: read, or refused in a line."""

import json
import os
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.personal.conversations import read_people
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.corpus.own import survey, write_splits
from pipeline.persona.corpus.source import fetch_corpus, fetch_pretrain_text
from tests.support.corpora import FORMATS, world
from tests.support.reading import data


BYTES = os.fsdecode(b"caf\xe9 \xff")  # Latin-1, as old archives have it
JSON_FORMATS = [name for name in FORMATS if "JSON" in name or "ShareGPT" in name or "Convo" in name]


def renamed(path: Path) -> Path:
    """Give the folder, and each file in it, a name that is no UTF-8."""
    folder = path if path.is_dir() else path.parent / "in"
    folder.mkdir(exist_ok=True)
    files = list(folder.iterdir()) or [path]
    for number, file in enumerate(files):
        file.rename(folder / f"{BYTES}{number}{file.suffix}")
    return folder.rename(folder.with_name(f"of {BYTES}"))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("alone", [False, True])
def test_a_name_that_is_no_utf8_is_recorded_as_text(tmp_path, name, alone):
    given = renamed(FORMATS[name](world(), tmp_path))
    if alone and len(files := list(given.iterdir())) == 1:
        (given,) = files
    into = tmp_path / "into"
    source = data().model_copy(update={"source": str(given)})
    origin = fetch_corpus(source, into, environ={}, downloads=tmp_path, advance=lambda *_: None)
    artifacts.write_json(tmp_path / "source.json", {"name": origin.source})
    assert "caf\\xe9 \\xff" in origin.source
    for split in artifacts.SPLITS:
        assert (into / artifacts.raw_conversations(split).name).read_text(encoding="utf-8")
    assert read_people(given, data(), Tally())


def test_a_text_for_pre_training_of_such_a_name(tmp_path):
    path = tmp_path / f"{BYTES}.txt"
    path.write_text("a line\n")
    source = data().model_copy(update={"pretrain": str(path)})
    assert fetch_pretrain_text(source, tmp_path / "out").source == "caf\\xe9 \\xff.txt"


def halved(value: object, where: list[object], place: int) -> object:
    """Put half a pair into one of a value's texts, names of keys apart."""
    if isinstance(value, dict):
        return {key: halved(one, where, place) for key, one in value.items()}
    if isinstance(value, list):
        return [halved(one, where, place) for one in value]
    if isinstance(value, str):
        where.append(value)
        return f"{value}\ud800" if len(where) == place else value
    return value


@pytest.mark.parametrize("name", JSON_FORMATS)
@pytest.mark.parametrize("place", range(1, 5))
def test_half_a_pair_in_any_text_is_refused_in_a_line_or_left_out(tmp_path, name, place):
    path = FORMATS[name](world(), tmp_path)
    whole = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        first, rest = whole.split("\n", 1)
        text = json.dumps(halved(json.loads(first), [], place)) + "\n" + rest
    else:
        text = json.dumps(halved(json.loads(whole), [], place), indent=1)
    path.write_text(text)
    with pytest.raises(DataError, match=rf"{path.name}:.*half a surrogate pair") as caught:
        survey(str(path), data())
    assert str(caught.value).isprintable()
    (tmp_path / "into").mkdir()
    if path.suffix == ".jsonl" or "ShareGPT" in name:
        found = write_splits(
            str(path), data().model_copy(update={"skip_broken": True}), tmp_path / "into"
        )
        assert found.left_out["broken lines"] == 1


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_where_every_record_has_one_the_reason_is_said(tmp_path, name):
    path = FORMATS[name](world(1, 1, 1), tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("p1", "p1\\ud800"), encoding="utf-8")
    with pytest.raises(DataError, match="half a surrogate pair") as caught:
        survey(str(path), data())
    assert str(caught.value).isprintable()


def test_a_key_that_is_no_text(tmp_path):
    path = tmp_path / "own.jsonl"
    line = {"person": "a", "messages": [{"role": "assistant", "content": "x"}], "\ud800": 1}
    path.write_text(json.dumps(line))
    with pytest.raises(DataError, match="half a surrogate pair"):
        read_people(path, data(), Tally())


def test_whole_pairs_are_text(tmp_path):
    path = tmp_path / "own.jsonl"
    line = {"person": "a", "messages": [{"role": "assistant", "content": "🎂"}]}
    path.write_text(json.dumps(line))
    (people,) = read_people(path, data(), Tally()).values()
    assert people[0].turns[0].reply == "🎂"

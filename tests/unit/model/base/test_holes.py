"""Ids far apart: a tokenizer that is written holds every one between them in memory."""

import json
import shutil

import pytest

from pipeline.errors import ModelError
from pipeline.model.base import tokenizer as reader
from pipeline.model.base.tokenizer import load_tokenizer
from pipeline.model.base.vocabulary import refuse_holes
from tests.unit.model.base.test_foreign_tokenizers import edited


@pytest.mark.parametrize("form", ["tokenizer.json", "vocab.json"])
def test_ids_far_apart_are_refused_before_the_tokenizer_is_written(form, tmp_path, monkeypatch):
    def change(values):
        values["model"]["vocab"]["zzz"] = 4_000_000_000

    folder = edited(tmp_path, change)
    if form == "vocab.json":
        model = json.loads((folder / "tokenizer.json").read_text())["model"]
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / form).write_text(json.dumps(model["vocab"]))
        merges = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    monkeypatch.setattr(reader, "without_stored_state", lambda _: pytest.fail("it is written"))
    with pytest.raises(ModelError, match="ids up to 4000000000; ids without holes are needed"):
        load_tokenizer(folder)


def test_two_entries_of_one_id_are_as_wrong_as_a_hole():
    with pytest.raises(ModelError, match="2 entries and ids up to 0"):
        refuse_holes({"a": 0, "b": 0}, "x", most=10)
    with pytest.raises(ModelError, match="0 entries and ids up to -1"):
        refuse_holes({}, "x")
    refuse_holes({"a": 0, "b": 3}, "x", most=2)

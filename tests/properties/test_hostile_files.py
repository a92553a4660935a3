"""Whatever a file or a variable holds, the answer is a value or one line of our own error."""

import json
import os
import struct
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import artifacts
from pipeline.errors import ParamsError, PipelineError
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.files.tensors import read_tensors, write_tensors
from pipeline.params.settings import settings_of
from pipeline.processes.cores import num_workers
from pipeline.processes.journal import Journal
from tests.support.prediction_builder import full
from tests.wiring.closure import ROOT


seeded = settings(max_examples=150, deadline=None, derandomize=True)
EMBEDDED = (ROOT / "presets/embedded.yaml").read_text(encoding="utf-8")
RECORD = full().model_dump_json()

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def refused_in_a_line(action, *arguments):
    """Call; an error must be one of ours, of one line that a terminal bears."""
    said = ""
    try:
        action(*arguments)
    except PipelineError as error:
        said = str(error)
    assert said.isprintable()  # so it has no line end, either
    assert len(said) < 2000


# --- params.yaml -------------------------------------------------------------------------------


def check(text: str) -> None:
    settings_of(text, "params.yaml").check()


@seeded
@given(st.text(max_size=300))
def test_any_text_as_parameters(text):
    refused_in_a_line(check, text)


@seeded
@given(st.sampled_from(EMBEDDED.splitlines()), values)
def test_any_value_of_any_key(line, value):
    head, colon, _ = line.partition(":")
    refused_in_a_line(check, EMBEDDED.replace(line, f"{head}{colon} {json.dumps(value)}", 1))


@seeded
@given(st.data())
def test_any_edit_of_the_text(data):
    place = data.draw(st.integers(0, len(EMBEDDED)))
    length = data.draw(st.integers(0, 40))
    put = data.draw(st.text(alphabet="!&*[]{}:-#%@`'\"|>? \n\t\\x0a1.eE~", max_size=12))
    refused_in_a_line(check, EMBEDDED[:place] + put + EMBEDDED[place + length :])


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB + EMBEDDED, "its aliases make more than 100,000 values"),
        (BOMB + EMBEDDED.replace("\nscore:\n", "\nscore: *a11\nx:\n"), "aliases"),
        (f"seeds: [{'9' * 5000}]", "digits"),
        ("seeds: 2026-99-99", "month must be in 1..12"),
        ("seeds: 0000-01-01", "year 0 is out of range"),
        ("seeds: !!int foo", "invalid literal"),
        ("seeds: !!float foo", "could not convert"),
        ('data: {source: "\\ud800"}', "half a surrogate pair"),
        ('"\\udfff": 1', "half a surrogate pair"),
        ("seeds: " + "[" * 3000 + "]" * 3000, "nested too deep"),
        ("\n".join(" " * n + "a:" for n in range(1500)), "nested too deep"),
        ("seeds: &a [*a]", "an alias that holds itself"),
        ('seeds: "\\U0011ffff"', "not in range"),
    ],
    ids=lambda value: value[:20],
)
def test_what_breaks_a_reader_of_yaml_is_one_short_line_at_once(text, said):
    began = time.monotonic()
    with pytest.raises(ParamsError, match=said) as refused:
        check(text)
    assert time.monotonic() - began < 15
    assert len(str(refused.value)) < 1000
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "value", ["0x" + "f" * 5000, "[[[[[[1]]]]]]", '"' + "x" * 10**6 + '"', '"\\e[31m\\u202e"']
)
def test_a_value_is_shown_cut_and_harmless(value):
    with pytest.raises(ParamsError) as refused:
        check(EMBEDDED.replace("\nouter_steps:", f"\nouter_steps: {value} #"))
    said = str(refused.value)
    assert said.startswith("params.yaml: outer_steps: ")
    assert len(said) < 500
    assert said.isprintable()


@pytest.mark.parametrize("key", ["seeds", "outer_steps"])
def test_a_number_that_no_generator_takes_is_refused(key):
    value = 10**30
    line = next(line for line in EMBEDDED.splitlines() if line.startswith(f"{key}:"))
    text = EMBEDDED.replace(line, f"{key}: {[value] if key == 'seeds' else value}\nx_:", 1)
    with pytest.raises(ParamsError):
        check(text)


# --- JSON Lines --------------------------------------------------------------------------------


def records(line: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(line)
        artifacts.read_records(path, Prediction, made_by="finetune")


@seeded
@given(st.binary(max_size=200))
def test_any_bytes_as_records(line):
    refused_in_a_line(records, line)


@seeded
@given(st.sampled_from(sorted(Prediction.model_fields)), values)
def test_any_value_of_any_field(field, value):
    line = json.dumps(json.loads(RECORD) | {field: value})
    refused_in_a_line(records, line.encode(errors="surrogatepass"))


@seeded
@given(st.data())
def test_any_edit_of_a_record(data):
    content = bytearray(RECORD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    refused_in_a_line(records, bytes(content))


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, RECORD.replace("3.0", "9" * 5000, 1), RECORD.replace("3.0", "1e99999", 1)],
    ids=["deep", "digits", "infinite"],
)
def test_what_breaks_a_reader_of_json(line):
    with pytest.raises(PipelineError, match=r"x.jsonl:1: not a valid Prediction"):
        records(line.encode())


@seeded
@given(st.data())
def test_a_journal_gives_back_what_was_written_or_nothing(data):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", folder)
        journal = Journal(Prediction, "finetune-x", {})
        journal.append("job", [full()])
        content = bytearray(journal.path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
        journal.path.write_bytes(content)
        assert journal.load() in ({}, {"job": [full()]})


# --- safetensors -------------------------------------------------------------------------------


def tensors(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "theta.safetensors"
        path.write_bytes(content)
        read_tensors(path, remedy="make it again")


def with_header(header: object, data: bytes) -> bytes:
    text = json.dumps(header).encode(errors="surrogatepass")
    return struct.pack("<Q", len(text)) + text + data


@seeded
@given(st.binary(max_size=200))
def test_any_bytes_as_tensors(content):
    refused_in_a_line(tensors, content)


@seeded
@given(
    st.text(max_size=20),
    st.sampled_from(["F32", "F16", "BF16", "I64", "BOOL", "F8_E4M3", "F4", "U64", "X", "C64"]),
    st.lists(st.integers(-1, 2**66), max_size=4) | values,
    st.lists(st.integers(-1, 2**66), max_size=3) | values,
)
def test_any_header_of_tensors(name, dtype, shape, offsets):
    header = {name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}}
    refused_in_a_line(tensors, with_header(header, b"\0" * 16))


@seeded
@given(st.data())
def test_any_edit_of_tensors(data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "theta.safetensors"
        write_tensors({"w": torch.ones(3), "b": torch.zeros(2, 2)}, path)
        content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    refused_in_a_line(tensors, bytes(content))


# --- environment variables ---------------------------------------------------------------------


@seeded
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_any_number_of_workers(asked):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAMLVIAPP_WORKERS", asked)
        refused_in_a_line(num_workers)


@pytest.mark.parametrize("asked", ["9" * 5000, "0", "-1", "1.5", "²", "1e3", " 1"])
def test_what_is_no_number_of_workers(asked, monkeypatch):
    monkeypatch.setitem(os.environ, "MAMLVIAPP_WORKERS", asked)
    with pytest.raises(PipelineError, match="a whole number from 1 to 9999 was expected"):
        num_workers()

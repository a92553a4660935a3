"""Headers of .gguf files: what is longer or larger than a model's is refused before it is read."""

from struct import pack
from types import SimpleNamespace

import pytest

from pipeline.errors import ModelError
from pipeline.model.files.gguf_header import (
    refuse_long_header,
    refuse_other_blocks,
    refuse_other_sizes,
)


BYTE, INT, FLOAT, TEXT, ARRAY = 0, 5, 6, 8, 9
TOKENS, MERGES = "tokenizer.ggml.tokens", "tokenizer.ggml.merges"
SCORES, TYPES = "tokenizer.ggml.scores", "tokenizer.ggml.token_type"


def text(content, order="<"):
    return pack(f"{order}Q", len(content)) + content


def array(name, kind, length, content, order="<"):
    return text(name.encode(), order) + pack(f"{order}IIQ", ARRAY, kind, length) + content


def texts(name, *each, order="<"):
    return array(name, TEXT, len(each), b"".join(text(one, order) for one in each), order)


def header(path, *fields, order="<"):
    path.write_bytes(b"GGUF" + pack(f"{order}IQQ", 3, 0, len(fields)) + b"".join(fields))
    return path


@pytest.mark.parametrize("order", "<>")
def test_a_header_as_published_files_have_it_is_taken(order, tmp_path):
    fields = (
        text(b"general.architecture", order) + pack(f"{order}I", TEXT) + text(b"llama", order),
        text(b"llama.block_count", order) + pack(f"{order}II", 4, 30),
        texts("general.languages", *[b"en"] * 200, order=order),
        texts(TOKENS, b"a" * 512, b"b", order=order),
        texts(MERGES, *[b"a b"] * 11_000, order=order),
        array(SCORES, FLOAT, 2, bytes(8), order),
        array(TYPES, INT, 2, bytes(8), order),
    )
    refuse_long_header(header(tmp_path / "a.gguf", *fields, order=order))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("field", "match"),
    [
        ((array, "some.bytes", BYTE, 20_000, bytes(20_000)), "some.bytes has 20,000 elements"),
        ((array, TYPES, BYTE, 9, bytes(9)), "token_type has 9 elements, at most 0 are read"),
        ((array, SCORES, FLOAT, 2, bytes(8)), "scores has 2 elements, at most 0 are read"),
        ((array, TOKENS, BYTE, 9, bytes(9)), r"tokens is no list of texts \(type 0\)"),
        ((array, MERGES, INT, 9, bytes(36)), r"merges is no list of texts \(type 5\)"),
        ((array, "deep", ARRAY, 1, bytes(12)), r"deep is no list of values \(type 9\)"),
    ],
)
def test_an_array_that_no_model_has_is_named(field, match, order, tmp_path):
    make, *values = field
    path = header(tmp_path / "a.gguf", make(*values, order), order=order)
    with pytest.raises(ModelError, match=rf"a\.gguf: .*{match}"):
        refuse_long_header(path)


@pytest.mark.parametrize("name", [TOKENS, MERGES, "general.tags"])
def test_a_text_that_is_longer_than_a_token_is_named(name, tmp_path):
    path = header(tmp_path / "a.gguf", texts(name, b"a", b"b" * 200_000))
    with pytest.raises(ModelError, match=rf"{name} has 200,000 bytes, at most 4,000"):
        refuse_long_header(path)


NAMES = ["token_embd.weight", "blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.1.attn_q.weight"]


@pytest.mark.parametrize("fact", ["llama.block_count", "qwen2.block_count"])
@pytest.mark.parametrize("value", [3, 10**9, [2], "2", 2.0])
def test_more_layers_than_the_tensors_are_of_are_refused(fact, value, tmp_path):
    with pytest.raises(ModelError, match=rf"{fact} is .*, and the tensors are of 2 layers"):
        refuse_other_blocks({"general.name": "x", fact: value}, NAMES, tmp_path / "a.gguf")
    refuse_other_blocks({fact: 2}, NAMES, tmp_path / "a.gguf")


def test_more_layers_than_any_model_has_are_refused(tmp_path):
    names = [f"blk.{number}.attn_q.weight" for number in range(161)]
    with pytest.raises(ModelError, match="of 161 layers, at most 160"):
        refuse_other_blocks({"llama.block_count": 161}, names, tmp_path / "a.gguf")
    refuse_other_blocks({"llama.block_count": 160}, names[:160], tmp_path / "a.gguf")


def test_tensors_that_lie_in_each_others_place_are_refused(tmp_path):
    path = header(tmp_path / "a.gguf")
    size = path.stat().st_size
    tensors = [SimpleNamespace(n_bytes=size - 8, n_elements=4)] * 2
    with pytest.raises(ModelError, match=rf"have {2 * size - 16} bytes, the file {size}"):
        refuse_other_sizes(tensors, 8, path)
    refuse_other_sizes(tensors[:1], 8, path)
    with pytest.raises(ModelError, match="make a model of 9 numbers, and the tensors hold 4"):
        refuse_other_sizes(tensors[:1], 9, path)

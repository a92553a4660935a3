import tracemalloc
from itertools import accumulate
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import normalizers

from pipeline.errors import DataError, MissingFileError, ModelError
from pipeline.model.base.tokenizer import add_special_tokens, train_tokenizer
from pipeline.model.base.tokenizer_files import END_OF_TEXT
from pipeline.model.pretraining import text
from pipeline.model.pretraining.text import TextPart, encode_lines, split_text


START_OF_TEXT = "<|startoftext|>"  # another tool's, which users have in their files


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["a dog runs", "a cat sleeps"] * 5, 270)


def _write(tmp_path, text):
    path = tmp_path / "pretrain.txt"
    path.write_bytes(text.encode())
    return path


def _lines(part):
    return list(part.lines())


def test_documents_are_separated_by_blank_lines(tmp_path):
    path = _write(tmp_path, "\n a b \nc\n\n \t\nd\n\ne\n")
    train, heldout = split_text(path, 0.1)
    assert _lines(train) == [(True, "a b"), (False, "c"), (True, "d")]
    assert _lines(heldout) == [(True, "e")]


def test_with_markers_blank_lines_separate_nothing(tmp_path):
    path = _write(tmp_path, f"a\n\nb\n{END_OF_TEXT}\nc\n\nd\r\n{END_OF_TEXT}\ne")
    train, heldout = split_text(path, 0.01)
    assert _lines(train) == [(True, "a"), (False, "b"), (True, "c"), (False, "d")]
    assert _lines(heldout) == [(True, "e")]


def test_a_marker_that_a_line_speaks_about_is_text(tmp_path):
    path = _write(tmp_path, f"a {END_OF_TEXT} b\n\nc\n")
    train, _ = split_text(path, 0.05)
    assert _lines(train) == [(True, f"a {END_OF_TEXT} b")]


@pytest.mark.parametrize(
    "line",
    [
        f"{START_OF_TEXT}a b",
        f"a b{END_OF_TEXT}",
        f"a b {END_OF_TEXT}",
        f"a{END_OF_TEXT} b",
        f"a {END_OF_TEXT}b",
        f"{END_OF_TEXT} a",
        f"{START_OF_TEXT}a{END_OF_TEXT}{START_OF_TEXT}b{END_OF_TEXT}",
        START_OF_TEXT,
    ],
)
def test_marks_beside_text_are_refused_with_their_line(tmp_path, line):
    """They would be learnt as text, or the message would ask for the marks that are there."""
    path = _write(tmp_path, f"x\n\n  {line} \n\ny\n")
    with pytest.raises(
        DataError, match=r"line 3 holds the mark <\|(start|end)oftext\|>: '"
    ) as error:
        split_text(path, 0.05)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("holdout", [0.1, 0.5])
def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path, holdout):
    """CRLF: no byte more, so the loss per byte is the same; the cut lies at the same document."""
    text = "".join(f"{'word ' * (i % 7)}{i}\n" + "\n" * (i % 3 == 0) for i in range(60))
    parts = []
    for number, form in enumerate([text, text.replace("\n", "\r\n"), "\ufeff" + text]):
        (folder := tmp_path / str(number)).mkdir()
        parts.append(split_text(_write(folder, form), holdout))
    as_given = [[(part.num_bytes, _lines(part)) for part in of_form] for of_form in parts]
    assert as_given[0] == as_given[1] == as_given[2]
    assert sum(part.num_bytes for part in parts[0]) == len(text)


@pytest.mark.parametrize("place", ["{mark}\na\n\nb\n\nc\n", "a\n\nb\n\nc\n{mark}\n"])
def test_a_marker_that_separates_nothing_leaves_the_blank_lines(tmp_path, place):
    path = _write(tmp_path, place.format(mark=END_OF_TEXT))
    train, heldout = split_text(path, 0.1)
    assert _lines(train)[0] == (True, "a")
    assert _lines(heldout)[-1] == (True, "c")
    assert not any(END_OF_TEXT in text for part in (train, heldout) for _, text in part.lines())


def test_a_refusal_says_what_the_text_has(tmp_path):
    with pytest.raises(ModelError, match=r"1 document\(s\) in 1 line\(s\) of 5 bytes cannot"):
        split_text(_write(tmp_path, "a\r\rb\r"), 0.02)


@pytest.mark.parametrize("holdout", [0.05, 0.1, 0.33, 0.5, 0.85])
def test_the_held_out_part_is_the_last_documents_and_just_large_enough(tmp_path, holdout):
    path = _write(tmp_path, "".join(f"{i:08}\n\n" for i in range(20)))  # 10 bytes each
    train, heldout = split_text(path, holdout)
    assert train.num_bytes + heldout.num_bytes == 200
    assert heldout.num_bytes >= holdout * 200
    assert heldout.num_bytes - 10 < holdout * 200
    texts = [text for part in (train, heldout) for _, text in part.lines()]
    assert texts == [f"{i:08}" for i in range(20)]
    assert all(first for part in (train, heldout) for first, _ in part.lines())


@pytest.mark.parametrize("text", ["", "\n\n\n", "a\nb\nc\n", "a\n\n\n", f"a\n{END_OF_TEXT}\n\n"])
def test_a_text_of_fewer_than_two_documents_is_refused(tmp_path, text):
    with pytest.raises(ModelError, match="give several documents"):
        split_text(_write(tmp_path, text), 0.02)


def test_blank_lines_take_no_memory(tmp_path):
    """60 MB of them took 8 GB."""
    path = _write(tmp_path, "\n" * 200_000 + "a\n\nb\n")
    tracemalloc.start()
    try:
        train, heldout = split_text(path, 1e-6)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert (_lines(train), _lines(heldout)) == ([(True, "a")], [(True, "b")])
    assert train.num_bytes == train.stop == 200_003


@pytest.mark.parametrize("mark", ["", END_OF_TEXT])
def test_the_cut_is_the_last_boundary_that_leaves_enough(tmp_path, mark):
    """Also within several boundaries that follow each other."""
    boundary = f"{mark}\n"
    lines = ["a\n", boundary, *[boundary] * 4, "b\n", boundary, " \n", boundary, "c\n"]
    path, size = _write(tmp_path, "".join(lines)), sum(map(len, lines))
    for most in range(2 + len(boundary), size):
        ends = accumulate(map(len, lines))
        fitting = [
            end
            for line, end in zip(lines, ends, strict=True)
            if line.strip() == mark and end <= most
        ]
        train, heldout = split_text(path, 1 - most / size - 1e-9)
        assert (train.stop, heldout.num_bytes) == (fitting[-1], size - fitting[-1])


def test_a_missing_text_names_the_stage(tmp_path):
    with pytest.raises(MissingFileError, match=r"stages\.download"):
        split_text(tmp_path / "none.txt", 0.02)


def test_a_text_of_another_encoding_is_refused(tmp_path):
    path = tmp_path / "pretrain.txt"
    path.write_bytes(b"abc\n\nd\xe9f\n\nx\n")
    with pytest.raises(DataError, match="not UTF-8 in the line that ends at byte 9"):
        split_text(path, 0.02)


def test_a_line_of_any_length_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "LONGEST_LINE", 5)
    assert split_text(_write(tmp_path, "abcd\n\nb\n"), 0.1)
    with pytest.raises(DataError, match=r"a line of over 5 bytes.* byte 6; break it into lines"):
        split_text(_write(tmp_path, "abcde\n\nb\n"), 0.1)


def test_ids_are_segments_with_a_leading_space_newlines_and_boundaries(tokenizer):
    lines = [(True, "a dog"), (False, "runs ☃"), (True, "a cat")]
    text = f"{END_OF_TEXT} a dog\n runs ☃{END_OF_TEXT} a cat{END_OF_TEXT}"
    ids = encode_lines(lines, tokenizer)
    assert ids.dtype == np.uint32
    assert tokenizer.decode(ids.tolist()) == text
    expected = [tokenizer.eos_token_id, *tokenizer.encode(" a dog\n runs ☃")]
    assert ids[: len(expected)].tolist() == expected


def test_ids_do_not_depend_on_the_size_of_a_chunk(tokenizer, monkeypatch):
    lines = [(i % 3 == 0, f"a dog {i}") for i in range(20)]
    whole = encode_lines(iter(lines), tokenizer)
    monkeypatch.setattr(text, "_LINES_AT_ONCE", 7)
    assert encode_lines(iter(lines), tokenizer).tolist() == whole.tolist()


class Noting:
    """A backend that notes how much it encodes at once."""

    def __init__(self, backend):
        self.backend = backend
        self.at_once = []

    def encode(self, text, **options):
        return self.backend.encode(text, **options)

    def encode_batch_fast(self, texts, **options):
        self.at_once.append(sum(map(len, texts)))
        return self.backend.encode_batch_fast(texts, **options)


def test_long_lines_are_encoded_a_few_at_a_time(tokenizer, monkeypatch):
    """60 lines of 1 MB took 1.9 GB: memory grew with the text."""
    lines = [(i % 3 == 0, "a dog " * (i % 5) + "runs") for i in range(60)]
    whole = encode_lines(lines, tokenizer)
    monkeypatch.setattr(text, "_CHARACTERS_AT_ONCE", 40)
    noting = Noting(tokenizer.backend_tokenizer)
    given = SimpleNamespace(backend_tokenizer=noting, eos_token_id=tokenizer.eos_token_id)
    assert encode_lines(lines, given).tolist() == whole.tolist()
    assert max(noting.at_once) < 40 + 30 + 10  # the longest line, and leading spaces


def test_no_line_of_the_text_gives_a_special_token():
    tokenizer = train_tokenizer(["a dog runs"], 270)
    plain = add_special_tokens(tokenizer)
    tokenizer.backend_tokenizer.encode_special_tokens = False
    ids = encode_lines([(True, f"<|user|> a {END_OF_TEXT} <|/system|>")], tokenizer)
    assert ids[1:-1].max() < plain
    assert tokenizer.eos_token_id not in ids[1:-1]


def test_a_tokenizer_whose_end_of_a_line_is_not_one_token_is_refused():
    tokenizer = train_tokenizer(["a dog runs"], 270)
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Replace("\n", "Q9")
    match = r"base\.pretrain\.tokenizer has 2 tokens for the end of a line, and lines are joined by"
    with pytest.raises(ModelError, match=match):
        encode_lines([(True, "a dog")], tokenizer)


def test_no_lines_are_one_boundary(tokenizer):
    assert encode_lines([], tokenizer).tolist() == [tokenizer.eos_token_id]


def test_a_part_reads_only_its_bytes(tmp_path):
    path = _write(tmp_path, "aa\nbb\ncc\n")
    assert _lines(TextPart(path, 3, 6, "", 3)) == [(True, "bb")]

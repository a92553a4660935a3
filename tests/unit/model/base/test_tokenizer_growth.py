"""A small tokenizer.json that makes a text longer and longer, or whose patterns hardly end."""

from base64 import b64encode

import pytest

from pipeline.errors import ModelError
from pipeline.model.base import tokenizer_files
from pipeline.model.base.tokenizer import load_tokenizer
from pipeline.model.files.tokenizer_growth import refuse_growth
from tests.unit.model.base.test_foreign_tokenizers import edited, sentencepiece


def replace(old, new, kind="String"):
    return {"type": "Replace", "pattern": {kind: old}, "content": new}


def sequence(key, parts):
    names = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers"}
    return {
        key: {
            "type": "Sequence",
            names.get(key, "decoders" if key == "decoder" else "processors"): parts,
        }
    }


def nested(key, part, depth):
    for _ in range(depth):
        part = sequence(key, [part, part])[key]
    return {key: part}


def charsmap(text):
    return b64encode(b"\x04\0\0\0" + b"trie" + text.encode() + b"\0").decode()


TWICE = {
    "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 2,
    "pair": [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"],
}
TEMPLATE = {"type": "TemplateProcessing", **TWICE, "special_tokens": {}}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}

GROWS = {
    "doubled": sequence("normalizer", [replace("a", "aa")] * 15),
    "many nested": nested("normalizer", replace("a", "aa"), 4),
    "between letters": sequence("normalizer", [replace("", "a")] * 15),
    "by a pattern": sequence("normalizer", [replace("(?=a)", "b", "Regex")] * 15),
    "one of many letters": {"normalizer": replace("a", "a" * 20_000)},
    "bytes of bytes": sequence("normalizer", [{"type": "ByteLevel"}] * 15),
    "bytes of pieces": sequence("pre_tokenizer", [BYTES] * 15),
    "there and back": sequence(
        "normalizer", [replace("a", "\ufdfa"), {"type": "NFKD"}, replace("\u0627", "a")] * 4
    ),
    "both together": sequence("normalizer", [{"type": "ByteLevel"}] * 5)
    | sequence("pre_tokenizer", [BYTES] * 5),
    "decoded": sequence("decoder", [replace("a", "aa")] * 15),
    "nothing is a suffix": sequence("decoder", [{"type": "BPEDecoder", "suffix": ""}] * 15),
    "nothing is a mark": sequence(
        "decoder",
        [{"type": "CTC", "pad_token": "x", "word_delimiter_token": "", "cleanup": True}] * 15,
    ),
    "repeated by templates": sequence("post_processor", [TEMPLATE] * 15),
    "a map of long texts": {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap("a" * 20_000)}
    },
    "put before every piece": {"normalizer": {"type": "Prepend", "prepend": "a" * 20_000}},
    "an old form": {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"pattern": {"String": "a"}, "content": "a" * 20_000}],
        }
    },
}


@pytest.mark.parametrize("name", GROWS)
def test_what_makes_a_text_longer_without_measure_is_refused(name, tmp_path):
    folder = edited(tmp_path, lambda values: values | GROWS[name])
    with pytest.raises(ModelError, match=r"parts? of .* can make a text .* times as long") as found:
        load_tokenizer(folder)
    assert str(found.value).isprintable()
    assert len(str(found.value)) < 400


def test_forty_parts_are_looked_at_and_not_run():
    with pytest.raises(ModelError, match=r"x: 40 parts of normalizer .* more than 10\^12 times"):
        refuse_growth(sequence("normalizer", [replace("a", "aa")] * 40), "x")


def test_it_is_refused_before_it_is_built(tmp_path, monkeypatch):
    """Building a tokenizer runs its normaliser on the names of added tokens."""
    folder = edited(tmp_path, lambda values: values | GROWS["doubled"])
    monkeypatch.setattr(tokenizer_files, "Tokenizer", None)
    with pytest.raises(ModelError, match="times as long"):
        load_tokenizer(folder)


def added(*names, normalized=True):
    own = {"single_word": False, "lstrip": False, "rstrip": False, "special": False}
    return [
        {"id": 300 + number, "content": name, "normalized": normalized, **own}
        for number, name in enumerate(names)
    ]


REWRITTEN = {
    "multiplied": (replace("~", "x" * 1200), ["~" * 400 + str(n) for n in range(50)]),
    "with a prefix": ({"type": "Prepend", "prepend": "y" * 900}, ["q" * 90] * 200),
    "in turn": (
        sequence("normalizer", [{"type": "Prepend", "prepend": "y" * 30}, replace("y", "y" * 30)])[
            "normalizer"
        ],
        ["q" * 90] * 200,
    ),
}


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("name", REWRITTEN)
def test_names_that_become_too_long_together_are_refused_before(
    name, normalized, tmp_path, monkeypatch
):
    """Building a tokenizer rewrites the names of added tokens, and keeps them."""
    normalizer, names = REWRITTEN[name]
    tokens = added(*names, normalized=normalized)
    folder = edited(
        tmp_path,
        lambda values: (
            values | {"normalizer": normalizer, "added_tokens": values["added_tokens"] + tokens}
        ),
    )
    monkeypatch.setattr(tokenizer_files, "Tokenizer", None)
    with pytest.raises(ModelError, match=r"names of \d+ added tokens .*at most 16,000,000"):
        load_tokenizer(folder)


@pytest.mark.parametrize("tokens", [None, {}, [None, {}, {"content": 3}]])
def test_added_tokens_that_are_none_are_left_to_the_reader(tokens):
    refuse_growth({"added_tokens": tokens}, "x")


REAL = {
    "Llama 2": sequence("normalizer", [{"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")])
    | sequence(
        "decoder",
        [
            replace("▁", " "),
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    ),
    "Gemma": {
        "normalizer": replace(" ", "▁"),
        "added_tokens": added(*(f"<unused{n}>" for n in range(6242)), normalized=False),
    },
    "SmolLM2": sequence("pre_tokenizer", [{"type": "Digits", "individual_digits": True}, BYTES]),
    "T5": sequence(
        "normalizer",
        [
            {"type": "Precompiled", "precompiled_charsmap": charsmap("صلى الله عليه وسلم")},
            replace(" {2,}", " ", "Regex"),
        ],
    ),
    "ALBERT": sequence(
        "normalizer",
        [
            replace("``", '"'),
            replace("''", '"'),
            {"type": "NFKD"},
            {"type": "StripAccents"},
            {"type": "Lowercase"},
            {"type": "Precompiled", "precompiled_charsmap": charsmap("صلى الله عليه وسلم")},
            replace(" {2,}", " ", "Regex"),
        ],
    ),
    "BERT": {
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "post_processor": {"type": "BertProcessing", "sep": ["x", 1], "cls": ["y", 2]},
    },
    "none": {},
}


@pytest.mark.parametrize("name", REAL)
def test_parts_of_published_tokenizers_are_read(name):
    refuse_growth(REAL[name], "x")


def test_a_sentencepiece_tokenizer_is_still_read(tmp_path):
    assert load_tokenizer(sentencepiece(tmp_path))


@pytest.mark.parametrize("text", ['{"model": NaN}', '{"a": 1e999}', '{"a": 1, "a": 2}', "[]", "{"])
def test_a_tokenizer_file_is_strict_json(text, tmp_path):
    folder = edited(tmp_path, lambda values: values)
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError, match=r"tokenizer\.json: not (JSON|a JSON object)"):
        load_tokenizer(folder)


def test_a_part_that_cannot_be_read_is_one_line(tmp_path):
    folder = edited(tmp_path, lambda values: values | {"normalizer": {"type": "Nobody's"}})
    with pytest.raises(ModelError, match="tokenizer files cannot be read"):
        load_tokenizer(folder)


# What they hardly end on: runs of a letter, of two kinds of letters in turn, of words.
SLOW = {
    "(a+)+b": "'aaaa'",
    "(\\w+ ?)+$": "'aaaa'",
    "(?:[b-zB-Z]|[b-zB-Z]|[b-zB-Z]|[b-zB-Z])+(?!.|$)": "'BBBB'",
    "(Q+)+(?!.|$)": "'QQQQ'",
    "(?:я|я)+z": "'яяяя'",
    "(?:a1|a1)+z": "'a1a1'",
    "(?:é☃|é☃)+z": "'é☃é☃'",
    "(?:My|My|.)+(?!.|$)": "'My d'",
}


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_that_hardly_ends_is_refused_before_it_meets_a_text(pattern, tmp_path, capfd):
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}

    def with_split(values):
        parts = [split | {"invert": False}, values["pre_tokenizer"]]
        return values | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": parts}}

    match = rf"hardly ends on \d+ characters such as {SLOW[pattern]}"
    with pytest.raises(ModelError, match=match):
        load_tokenizer(edited(tmp_path, with_split))
    assert capfd.readouterr().err == ""  # no backtrace of compiled code

"""Words of byte-level tokenizers in .gguf files: cut as by the model's own tokenizer.json."""

import json
import sys
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from pipeline.errors import ModelError
from pipeline.model.base import gguf_file
from pipeline.model.base.gguf_file import read_gguf
from pipeline.model.base.tokenizer import wrapped
from pipeline.model.files import gguf_words
from pipeline.model.files.gguf_words import cut_by, words_of
from pipeline.model.sequences.formats import begin_ids
from tests.conftest import LINES


TEXTS = [
    *LINES,
    "x\n\n1. foo\n\n\n 2. bar\r\n",
    " a  2   30 400 5000 60000 3.14 1,000",
    "it's IT'S we'LL They'D don't  DON'T o'clock 'tis",
    " UPPER lower MiXed camelCase snake_case HTMLParser v2beta3",
    "   three  blanks\tand\t\ttabs   \n  ",
    " 你好世界 こんにちは 안녕하세요 2026年 ไทย हिन्दी العربية",
    " 😀😀 👩‍👩‍👧 🇩🇪 ½ ² Ⅳ ٣٤ é e\u0301",
    "(x)[y]{z}<w> a/b\\c --- ... !!! ?! #1 $5 50% path/to/file\nnext",
    " <|endoftext|> is text",
]
NAMES = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}


def split(pattern):
    bytes_alone = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), bytes_alone])


# As tokenizer.json of published models has them.
GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
SMOLLM = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), GPT2])
QWEN2 = split(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = split(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = split(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


TABLE = pytest.mark.skipif(
    not gguf_words._known_to_transformers(), reason="this version of transformers has no table"
)


def trained(cut, *, ignore_merges=False):
    """A tokenizer that cuts texts so, with a word in its vocabulary that no merge makes."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = cut, decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        show_progress=False,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=letters,
    )
    backend.train_from_iterator(TEXTS * 3, trainer)
    values = json.loads(backend.to_str())
    model = values["model"]
    model["merges"] = [pair for pair in model["merges"] if "".join(pair) != "Ġnurse"]
    model["vocab"].setdefault("Ġnurse", len(model["vocab"]))
    model["ignore_merges"] = ignore_merges
    return wrapped(Tokenizer.from_str(json.dumps(values)), NAMES)


def read(folder, tokenizer, pre, *facts):
    """What is read of a file with this tokenizer, whose pattern has this name."""
    gguf_llama = pytest.importorskip("tests.support.gguf_llama", reason="gguf is not installed")
    pytest.importorskip("accelerate")
    model = gguf_llama.tiny_llama(len(tokenizer))
    gguf_llama.write_gguf(folder / "a.gguf", model, tokenizer, pre=pre, facts=facts)
    return read_gguf(folder / "a.gguf")[1]


@pytest.mark.parametrize(
    ("pre", "cut", "whole"),
    [
        ("gpt-2", GPT2, False),
        ("olmo", GPT2, False),
        ("smollm", SMOLLM, False),
        ("starcoder", SMOLLM, False),
        ("command-r", SMOLLM, False),
        ("qwen2", QWEN2, False),
        ("stablelm2", QWEN2, False),
        ("llama-bpe", LLAMA3, True),
        ("lfm2", LLAMA3, True),
        ("smaug-bpe", LLAMA3, False),
        pytest.param("tekken", TEKKEN, True, marks=TABLE),
    ],
)
def test_texts_are_cut_as_the_models_own_tokenizer_cuts_them(pre, cut, whole, tmp_path):
    own = trained(cut, ignore_merges=whole)
    tokenizer = read(tmp_path, own, pre)
    assert (begin_ids(tokenizer) == (own.bos_token_id,)) == whole
    words = tokenizer.backend_tokenizer.pre_tokenizer
    for text in TEXTS:
        assert words.pre_tokenize_str(text) == cut.pre_tokenize_str(text)
        expected = own.encode(text, add_special_tokens=False)
        assert tokenizer.encode(text, add_special_tokens=False) == expected, text
    assert ("Ġnurse" in tokenizer.tokenize(" i am a nurse")) == whole


def test_the_patterns_are_told_apart():
    """No text would show a wrong pattern if all cut alike."""
    cuts = [GPT2, SMOLLM, QWEN2, LLAMA3, TEKKEN]
    words = {str([cut.pre_tokenize_str(text) for text in TEXTS]) for cut in cuts}
    assert len(words) == len(cuts)


def test_texts_come_back_whatever_the_tokenizer_was_made_with():
    """Versions of `transformers` make a Llama's without the blank that begins a text."""
    backend = trained(QWEN2).backend_tokenizer
    backend.pre_tokenizer = GPT2
    backend.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    cut_by(backend, judge(pre="qwen2"))
    assert str(backend.pre_tokenizer) == str(QWEN2)
    assert [backend.decode(backend.encode(text).ids) for text in TEXTS[:-1]] == TEXTS[:-1]


def test_a_bos_that_the_file_does_not_want_is_not_put(tmp_path):
    own = trained(LLAMA3, ignore_merges=True)
    assert begin_ids(read(tmp_path, own, "llama-bpe", ("add_add_bos_token", False))) == ()
    asked = read(tmp_path, trained(GPT2), "gpt-2", ("add_add_bos_token", True))
    assert begin_ids(asked) == (asked.bos_token_id,)


@pytest.mark.parametrize("pre", [None, "default", "poro-chat"])
def test_a_pattern_that_nobody_knows_is_refused_before_weights_are_read(pre, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_file.AutoModelForCausalLM, "from_pretrained", None)
    found = "missing" if pre is None else f"'{pre}'"
    with pytest.raises(ModelError, match=rf"a\.gguf: tokenizer\.ggml\.pre is {found}; .*safeten"):
        read(tmp_path, trained(GPT2), pre)


def facts(architecture="llama", model="gpt2", pre="gpt-2", **more):
    values = {"general.architecture": architecture} | {
        f"tokenizer.ggml.{key}": value
        for key, value in {"model": model, "pre": pre, "bos_token_id": 0, **more}.items()
    }
    return {name: value for name, value in values.items() if value is not None}


def judge(**values):
    return words_of(facts(**values), Path("a.gguf"))


def test_an_old_file_of_gpt2_is_cut_by_its_only_pattern():
    assert str(judge(architecture="gpt2", pre=None).pre_tokenizer) == str(GPT2)
    with pytest.raises(ModelError, match="pre is 'default'"):
        judge(architecture="gpt2", pre="default")


@pytest.mark.parametrize("model", ["llama", "gemma4", "t5", None])
def test_sentencepiece_has_no_pattern(model):
    assert judge(model=model, pre=None) is None
    assert judge(model=model, pre="default") is None


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"pre": ["qwen2"]}, r"pre is \['qwen2'\]; the name of a known pattern"),
        ({"pre": "x" * 500}, r"pre is 'x+… \(502 characters\); the name"),
        ({"add_bos_token": 1}, "add_bos_token is 1; true or false was expected"),
        ({"add_bos_token": 1, "model": "llama"}, "add_bos_token is 1; true or false"),
        ({"add_bos_token": True, "bos_token_id": None}, "bos_token_id is missing"),
        ({"pre": "llama-bpe", "bos_token_id": None}, "bos_token_id is missing"),
    ],
)
def test_what_a_file_says_badly_is_one_line(values, match):
    with pytest.raises(ModelError, match=match) as caught:
        judge(**values)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_transformers_own_names_and_ours_are_the_same_patterns():
    """Its table may be elsewhere in another version: its names are then refused, ours are taken."""
    table = gguf_words._known_to_transformers()
    for name, pattern in table.items():
        assert str(judge(pre=name).pre_tokenizer) == str(split(pattern))


def test_another_version_of_transformers_without_a_table_takes_our_names(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers.integrations.gguf.gguf_tokenizer_mapping", None)
    assert str(judge(pre="llama-bpe").pre_tokenizer) == str(LLAMA3)
    with pytest.raises(ModelError, match="pre is 'tekken'"):
        judge(pre="tekken")

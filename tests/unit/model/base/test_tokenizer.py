import json
import random
import shutil
import subprocess
import sys

import pytest
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoTokenizer

from pipeline.errors import ModelError
from pipeline.model.base import tokenizer as tokenizer_module
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.base.tokenizer import add_special_tokens, load_tokenizer, train_tokenizer
from pipeline.model.base.tokenizer_files import END_OF_TEXT
from tests.wiring.closure import ROOT


SENTENCE = "i like my red dog and cat because they run fast in the park with me every day"


def _lines(seed=0, count=300):
    generator = random.Random(seed)
    return [" ".join(generator.choices(SENTENCE.split(), k=6)) for _ in range(count)]


@pytest.fixture
def tokenizer():
    return train_tokenizer(_lines(), 300)


def _encode(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False)


@pytest.mark.parametrize("text", ["", " i like", "Ünï\n\t cödé ☃ \x00", "  two  blanks ", "'s ,."])
def test_any_text_comes_back(tokenizer, text):
    assert tokenizer.decode(_encode(tokenizer, text)) == text


def test_frequent_words_with_their_blank_are_one_token():
    tokenizer = train_tokenizer(_lines(), 400)
    assert len(_encode(tokenizer, " i like my dog")) == 4


def test_vocabulary_is_as_large_as_asked_and_no_larger_than_the_text_gives(tokenizer):
    assert len(train_tokenizer(_lines(), 270)) == 270
    assert 257 < len(train_tokenizer(_lines(), 10_000)) < 400
    assert len(train_tokenizer([], 300)) == 257


def test_a_long_word_is_learnt_in_parts(monkeypatch):
    """The time grows with a word's length squared: one of 3 MB took hours."""
    monkeypatch.setattr(tokenizer_module, "LONGEST_WORD", 6)
    word = "abcdefghij" * 3
    learnt = train_tokenizer([f"so {word} so", " " * 40, word], 400)
    assert max(len(token) for token in set(learnt.get_vocab()) - {END_OF_TEXT}) == 6
    parts = list(tokenizer_module._with_short_words(f" so {word} so", ByteLevel(False)))
    assert parts == [" so", " abcde", "fghija", "bcdefg", "hijabc", "defghi", "j", " so"]


def test_words_of_ordinary_length_are_learnt_as_they_stand(monkeypatch):
    lines = ["  ".join(_lines()), *_lines(1), "这是一个句子。" * 20, "it's  1,000 ... "]
    whole = train_tokenizer(lines, 320).backend_tokenizer.to_str()
    monkeypatch.setattr(tokenizer_module, "LONGEST_WORD", 12)
    assert train_tokenizer(lines, 320).backend_tokenizer.to_str() == whole


def test_a_long_line_is_given_in_pieces_of_the_same_words(monkeypatch):
    """The trainer holds 256 lines: of 1 MB each they took 0.5 GB."""
    words = ByteLevel(add_prefix_space=False)
    random_one = random.Random(0)
    signs = ["a", "B", "é", "7", "'s", "!", " ", " ", " ", "  ", "\t", "\u00a0", "\u3000", "\x1c"]
    monkeypatch.setattr(tokenizer_module, "_LONGEST_PIECE", 8)
    for _ in range(300):
        line = " " + "".join(random_one.choices(signs, k=80))
        pieces = list(tokenizer_module._pieces(line))
        assert "".join(pieces) == line
        of_pieces = [word for piece in pieces for word, _ in words.pre_tokenize_str(piece)]
        assert of_pieces == [word for word, _ in words.pre_tokenize_str(line)]
    assert max(map(len, tokenizer_module._pieces(" word" * 100))) == 10


def test_pieces_give_the_tokenizer_of_the_whole_lines(monkeypatch):
    lines = ["so  many words of one\tlong line, said again and again"] * 3
    whole = train_tokenizer(lines, 290).get_vocab()
    given, cut = [], tokenizer_module._with_short_words
    monkeypatch.setattr(
        tokenizer_module, "_with_short_words", lambda *text: given.append(text[0]) or cut(*text)
    )
    monkeypatch.setattr(tokenizer_module, "_LONGEST_PIECE", 8)
    assert train_tokenizer(lines, 290).get_vocab() == whole
    assert max(map(len, given)) < 20


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(ModelError, match=r"256 entries.*257 or more"):
        train_tokenizer(_lines(), 256)


def test_the_only_special_token_of_the_plain_vocabulary_ends_a_text(tokenizer):
    assert tokenizer.all_special_tokens == [END_OF_TEXT]
    assert tokenizer.eos_token == END_OF_TEXT


def test_no_space_is_put_before_a_text(tokenizer):
    assert _encode(tokenizer, "dog") != _encode(tokenizer, " dog")


def test_a_newline_is_one_token_and_joins_lines_exactly(tokenizer):
    newline = _encode(tokenizer, "\n")
    assert len(newline) == 1
    parts = [_encode(tokenizer, " i like"), _encode(tokenizer, " my dog")]
    assert _encode(tokenizer, " i like\n my dog") == parts[0] + newline + parts[1]


def test_training_is_deterministic_in_any_process_and_number_of_threads(tokenizer, tmp_path):
    code = (
        "import sys; from tests.unit.model.base.test_tokenizer import _lines;"
        "from pipeline.model.base.tokenizer import train_tokenizer;"
        "train_tokenizer(_lines(), 300).save_pretrained(sys.argv[1])"
    )
    env = {"RAYON_NUM_THREADS": "1", "PYTHONHASHSEED": "5", "PATH": ""}
    command = [sys.executable, "-c", code, tmp_path / "a"]
    subprocess.run(command, env=env, cwd=ROOT, check=True)
    tokenizer.save_pretrained(tmp_path / "b")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_special_tokens_are_appended_once_and_in_order(tokenizer):
    assert add_special_tokens(tokenizer) == 300
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(300, 306))
    assert add_special_tokens(tokenizer) == 300
    assert len(tokenizer) == 306


def test_special_tokens_survive_saving(tokenizer, tmp_path):
    add_special_tokens(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert add_special_tokens(loaded) == 300
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert loaded.all_special_tokens == tokenizer.all_special_tokens
    assert _encode(loaded, " i like my dog ☃") == _encode(tokenizer, " i like my dog ☃")


def test_special_tokens_are_left_out_of_decoded_text(tokenizer, tmp_path):
    add_special_tokens(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    ids = [300, *_encode(loaded, " my dog"), 305]
    assert loaded.decode(ids, skip_special_tokens=True) == " my dog"


@pytest.mark.parametrize("name", [END_OF_TEXT, *SPECIAL_TOKENS])
@pytest.mark.parametrize("reload", [False, True])
def test_the_name_of_a_special_token_in_a_text_is_text(tokenizer, tmp_path, name, reload):
    add_special_tokens(tokenizer)
    if reload:
        tokenizer.save_pretrained(tmp_path)
        tokenizer = load_tokenizer(tmp_path)
    ids = _encode(tokenizer, f" my {name} dog")
    assert tokenizer.convert_tokens_to_ids(name) not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == f" my {name} dog"


@pytest.mark.parametrize("present", [SPECIAL_TOKENS[:2], SPECIAL_TOKENS[::-1]])
def test_a_tokenizer_with_some_or_misplaced_special_tokens_is_refused(tokenizer, present):
    tokenizer.add_special_tokens({"extra_special_tokens": list(present)})
    with pytest.raises(ModelError, match=r"persona.*use one without them"):
        add_special_tokens(tokenizer)


def test_special_tokens_that_are_not_the_last_are_refused(tokenizer):
    add_special_tokens(tokenizer)
    tokenizer.add_tokens(["zebra"])
    with pytest.raises(ModelError, match="last entries"):
        add_special_tokens(tokenizer)


def test_no_tokenizer_files(tmp_path):
    with pytest.raises(ModelError, match=r"it needs tokenizer\.json, or vocab\.json"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", '{"model": 1}', "\x00"])
def test_corrupt_tokenizer_file(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"not JSON|cannot be read"):
        load_tokenizer(tmp_path)


def _saved(tokenizer, folder, change):
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    return folder


def test_a_tokenizer_without_all_bytes_is_refused(tokenizer, tmp_path):
    def drop(values):
        values["model"]["vocab"].pop("Ł")

    with pytest.raises(ModelError, match="byte-level"):
        load_tokenizer(_saved(tokenizer, tmp_path, drop))


def test_a_tokenizer_that_changes_text_is_refused(tokenizer, tmp_path):
    def lower(values):
        values["normalizer"] = {"type": "Lowercase"}

    with pytest.raises(ModelError, match="changes text"):
        load_tokenizer(_saved(tokenizer, tmp_path, lower))


def test_a_tokenizer_without_end_of_text_is_refused(tokenizer, tmp_path):
    def rename(values):
        values["added_tokens"] = []
        values["model"]["vocab"]["</s>"] = values["model"]["vocab"].pop(END_OF_TEXT)

    with pytest.raises(ModelError, match=r"no <\|endoftext\|>"):
        load_tokenizer(_saved(tokenizer, tmp_path, rename))


@pytest.mark.real_data
def test_gpt2_folder_gives_gpt2_ids(real_data):
    tokenizer = load_tokenizer(real_data / "gpt2-tokenizer")
    assert len(tokenizer) == 50257
    assert _encode(tokenizer, " hello world") == [23748, 995]
    assert _encode(tokenizer, "Hello world") == [15496, 995]
    assert _encode(tokenizer, "\n") == [198]
    assert tokenizer.eos_token_id == 50256
    assert add_special_tokens(tokenizer) == 50257


@pytest.mark.real_data
def test_gpt2_folder_agrees_with_transformers(real_data, tmp_path):
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(real_data / "gpt2-tokenizer" / name, tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    reference = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    for text in [" i'm 42 , don't you know ?", "Ünï\n\n cödé ☃", "  a   b\t", " it 's"]:
        assert _encode(tokenizer, text) == _encode(reference, text)

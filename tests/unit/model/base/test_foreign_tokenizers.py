"""Tokenizers of strangers: stored state, sentencepiece, bos, special tokens of their own."""

import json
import unicodedata

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, processors

from pipeline.errors import ModelError
from pipeline.model.base.tokenizer import add_special_tokens, load_tokenizer, train_tokenizer
from pipeline.model.sequences.encoding import Encoder
from pipeline.model.sequences.formats import begin_ids
from tests.conftest import LINES, a_dialogue


ACCENTS = " é " + unicodedata.normalize("NFD", "é")
TEXTS = [" a", "  two  blanks ", ACCENTS, " 你好 😀 ﬁ", "a\n\tb", ""]
TRUNCATION = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
PADDING = {
    "strategy": {"Fixed": 50},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "<|endoftext|>",
}


def edited(folder, change, **config):
    """A byte-level tokenizer's folder, its tokenizer.json and tokenizer_config.json changed."""
    train_tokenizer(LINES * 4, 300).save_pretrained(folder)
    for name, edit in (("tokenizer.json", change), ("tokenizer_config.json", lambda v: v | config)):
        path = folder / name
        values = json.loads(path.read_text())
        path.write_text(json.dumps(edit(values) or values))
    return folder


def unchanged(values):
    return values


def sentencepiece(folder, *, unknown=False):
    """A Llama-like BPE: a space is put before every text, bytes are fallen back to."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{code:02X}>" for code in range(256)), "▁", "▁▁"]
    names += [*"abcdefghijklmnopqrstuvwxyz", "▁a", "▁d", "og", "▁dog"]
    merges = [("▁", "▁"), ("▁", "a"), ("▁", "d"), ("o", "g"), ("▁d", "og")]
    vocabulary = {name: number for number, name in enumerate(names)}
    model = models.BPE(
        vocabulary, merges, byte_fallback=not unknown, unk_token="<unk>", fuse_unk=True
    )
    backend = Tokenizer(model)
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    backend.save(str(folder / "tokenizer.json"))
    config = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def text_ids(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False)


@pytest.fixture
def plain(tmp_path):
    (tmp_path / "plain").mkdir()
    return load_tokenizer(edited(tmp_path / "plain", unchanged))


@pytest.mark.parametrize("state", [{"truncation": TRUNCATION}, {"padding": PADDING}])
def test_stored_state_is_cleared_on_loading_and_before_saving(state, plain, tmp_path):
    tokenizer = load_tokenizer(edited(tmp_path, lambda values: values | state))
    text = " hi , how are you today ? i am a nurse"
    assert text_ids(tokenizer, text) == text_ids(plain, text)
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer.json").read_text())
    assert (saved["truncation"], saved["padding"]) == (None, None)


@pytest.mark.parametrize("part", ["add_prefix_space", "dropout", "nfc"])
def test_what_would_change_ids_or_text_is_switched_off(part, plain, tmp_path):
    def change(values):
        if part == "add_prefix_space":
            values["pre_tokenizer"]["add_prefix_space"] = True
        elif part == "dropout":
            values["model"]["dropout"] = 0.9
        else:
            values["normalizer"] = {"type": "NFC"}

    tokenizer = load_tokenizer(edited(tmp_path, change))
    for text in TEXTS:
        assert text_ids(tokenizer, text) == text_ids(plain, text)
        assert tokenizer.decode(text_ids(tokenizer, text)) == text


@pytest.mark.parametrize("kind", ["NFKC", "Lowercase", "StripAccents", "NFD"])
def test_a_normaliser_that_changes_text_is_refused_naming_it(kind, tmp_path):
    folder = edited(tmp_path, lambda values: values | {"normalizer": {"type": kind}})
    with pytest.raises(ModelError, match=r"the tokenizer changes text \(.* is decoded as "):
        load_tokenizer(folder)


def test_sentencepiece_gives_back_every_text(tmp_path):
    tokenizer = load_tokenizer(sentencepiece(tmp_path))
    for text in TEXTS:
        assert tokenizer.decode(text_ids(tokenizer, text)) == text
    natural = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert text_ids(tokenizer, " dog") == natural.encode("dog", add_special_tokens=False).ids
    segments = [*text_ids(tokenizer, " dog"), *text_ids(tokenizer, " a")]
    assert tokenizer.decode(segments) == " dog a"


def test_a_tokenizer_that_knows_not_every_letter_is_refused(tmp_path):
    with pytest.raises(ModelError, match="the tokenizer changes text"):
        load_tokenizer(sentencepiece(tmp_path, unknown=True))


@pytest.mark.parametrize("marks", ["special", "plain"])
def test_a_bos_begins_every_window_once(marks, tmp_path):
    tokenizer = load_tokenizer(sentencepiece(tmp_path))
    add_special_tokens(tokenizer)
    assert begin_ids(tokenizer) == (1,)
    windows = Encoder(tokenizer, context=400, format=marks).encode(a_dialogue(turns=8))
    assert len(windows) > 1
    assert all(window.ids[0] == 1 and window.ids.count(1) == 1 for window in windows)
    encoder = Encoder(tokenizer, context=4000, persona_text=False, format=marks)
    assert [window.ids.count(1) for window in encoder.encode(a_dialogue())] == [1]


def test_gpt2s_windows_begin_without_a_bos(plain):
    assert begin_ids(plain) == ()


@pytest.mark.parametrize(("asked", "begin"), [(True, (0,)), (False, ())])
def test_add_bos_token_is_heeded_and_saved(asked, begin, tmp_path):
    tokenizer = load_tokenizer(edited(tmp_path, unchanged, add_bos_token=asked))
    assert begin_ids(tokenizer) == begin
    tokenizer.save_pretrained(tmp_path / "again")
    assert begin_ids(load_tokenizer(tmp_path / "again")) == begin


def test_the_bases_own_special_tokens_are_text_in_text_and_never_said(tmp_path):
    names = ["<speaker1>", "<bos>", "<pad>"]
    own = train_tokenizer(LINES * 4, 300)
    own.add_special_tokens({"extra_special_tokens": names})
    own.save_pretrained(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    ids = tokenizer.convert_tokens_to_ids(names)
    add_special_tokens(tokenizer)
    assert tokenizer.convert_tokens_to_ids("<|persona|>") == 303
    for reload in (False, True):
        if reload:
            tokenizer.save_pretrained(tmp_path / "again")
            tokenizer = load_tokenizer(tmp_path / "again")
        encoder = Encoder(tokenizer, context=100)
        assert set(ids) <= set(encoder.forbidden)
        for name in names:
            assert not set(ids) & set(encoder.segment(f"say {name} now"))
            assert encoder.decode(encoder.segment(f"say {name} now")) == f"say {name} now"


def test_a_text_that_the_tokenizer_cannot_hold_is_refused_by_name(tmp_path):
    encoder = Encoder(load_tokenizer(sentencepiece(tmp_path)), context=400, format="plain")
    with pytest.raises(ModelError, match="the base's tokenizer changes the text 'a▁b'"):
        encoder.segment("a▁b")


def test_rare_control_characters_may_be_missing_and_are_refused_by_text(tmp_path):
    tokenizer = train_tokenizer(LINES * 4, 300)
    assert "Ą" in tokenizer.get_vocab()  # byte 0x04
    values = json.loads(tokenizer.backend_tokenizer.to_str())
    number = values["model"]["vocab"].pop("Ą")
    last = max(values["model"]["vocab"], key=values["model"]["vocab"].get)
    values["model"]["vocab"][last] = number
    values["model"]["merges"] = [m for m in values["model"]["merges"] if last not in m]
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    encoder = Encoder(load_tokenizer(tmp_path), context=50, format="plain")
    with pytest.raises(ModelError, match=r"changes the text .*x04"):
        encoder.segment("a\x04b")


def test_the_slow_form_alone_is_refused(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"sentencepiece")
    with pytest.raises(ModelError, match=r"only tokenizer\.model, the slow form"):
        load_tokenizer(tmp_path)


def test_ids_with_holes_are_refused(tmp_path):
    def change(values):
        values["model"]["vocab"]["zzz"] = 999

    with pytest.raises(ModelError, match="entries and ids up to 999"):
        load_tokenizer(edited(tmp_path, change))


@pytest.mark.parametrize("own_file", [False, True])
def test_the_chat_template_is_kept(own_file, tmp_path):
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    edited(tmp_path, unchanged, **({} if own_file else {"chat_template": template}))
    if own_file:
        (tmp_path / "chat_template.jinja").write_text(template)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.chat_template == template
    tokenizer.save_pretrained(tmp_path / "again")
    assert load_tokenizer(tmp_path / "again").chat_template == template


@pytest.mark.parametrize("kind", [None, "GPT2Tokenizer", "GPT2TokenizerFast", "Qwen2Tokenizer", 3])
def test_vocabulary_and_merges_alone_are_gpt2s_or_refused(kind, tmp_path, plain):
    """Others cut a text in other ways before the merges, so that the ids would be wrong."""
    plain.backend_tokenizer.model.save(str(tmp_path))
    config = {"eos_token": "<|endoftext|>"} | ({} if kind is None else {"tokenizer_class": kind})
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    if kind is None or str(kind).startswith("GPT2"):
        text = " my dog likes the park"
        assert text_ids(load_tokenizer(tmp_path), text) == text_ids(plain, text)
    else:
        with pytest.raises(ModelError, match=rf"merges\.txt of '?{kind}'?, the slow form; it need"):
            load_tokenizer(tmp_path)


def test_of_several_templates_the_default_is_taken(tmp_path):
    """A name may be anything that JSON has."""
    others = [{"name": name, "template": "x"} for name in ([], {}, None, 3)]
    edited(tmp_path, unchanged, chat_template=others)
    assert load_tokenizer(tmp_path).chat_template is None
    default = {"name": "default", "template": "{{ messages }}"}
    edited(tmp_path, unchanged, chat_template=[*others, default, "y"])
    assert load_tokenizer(tmp_path).chat_template == "{{ messages }}"

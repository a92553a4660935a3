"""The base's own chat template as a format, against `apply_chat_template` on whole dialogues."""

import datetime
import json
from itertools import pairwise

import pytest
from tokenizers import Tokenizer

from pipeline.errors import ModelError
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.base.tokenizer import add_special_tokens, load_tokenizer
from pipeline.model.sequences.encoding import Encoder
from pipeline.persona.task.record import SILENCE, Dialogue, Turn
from tests.conftest import a_dialogue
from tests.support import chat_templates as given
from tests.unit.model.base.test_foreign_tokenizers import sentencepiece


NO_SYSTEM = {"gemma"}  # the persona stands in the first user turn
CLOSING = {
    "chatml": "<|im_end|>",
    "llama_2": "</s>",
    "llama_3": "<|eot_id|>",
    "llama_dated": "<|eot_id|>",
    "zephyr": "</s>",
    "gemma": "<end_of_turn>",
    "phi_3": "<|end|>",
    "lined": "\n",
}
DAY = "26 Jul 2024"


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    return {
        name: given.tokenizer_with(template, tmp_path_factory.mktemp(name))
        for name, template in given.TAKEN.items()
    }


@pytest.fixture(params=list(given.TAKEN))
def name(request):
    return request.param


def native(tokenizer):
    """The base's own tokenizer, before ours were added: marks in a text are marks."""
    values = json.loads(tokenizer.backend_tokenizer.to_str())
    values["added_tokens"] = [
        token for token in values["added_tokens"] if token["content"] not in SPECIAL_TOKENS
    ]
    return Tokenizer.from_str(json.dumps(values))


def messages(dialogue, name, *, persona=True):
    """The dialogue as the messages of a chat."""
    found = []
    text = " ".join(dialogue.persona) if persona else ""
    for turn in dialogue.turns:
        partner = "" if turn.partner == SILENCE else turn.partner
        found.append({"role": "user", "content": partner})
        found.append({"role": "assistant", "content": turn.reply})
    if text and name in NO_SYSTEM:
        found[0]["content"] = f"{text}\n\n{found[0]['content']}"
    elif text:
        found.insert(0, {"role": "system", "content": text})
    return found


def rendered(tokenizer, chat_messages):
    """The template on a whole dialogue, up to the last reply's end mark."""
    text = str(tokenizer.apply_chat_template(chat_messages, tokenize=False))
    return text.replace(datetime.datetime.now().strftime("%d %b %Y"), DAY)


@pytest.mark.parametrize("persona", [True, False])
@pytest.mark.parametrize("turns", [1, 2, 5, 9])
def test_a_window_is_the_templates_own_dialogue(name, tokenizers, persona, turns):
    """Equal text, and equal ids where the base's own tokenizer reads the whole text at once."""
    tokenizer = tokenizers[name]
    dialogue = a_dialogue(turns=turns)
    encoder = Encoder(tokenizer, context=10_000, persona_text=persona, format="chat")
    (window,) = encoder.encode(dialogue)
    whole = rendered(tokenizer, messages(dialogue, name, persona=persona))
    text = tokenizer.decode(window.ids)
    assert whole.startswith(text)
    assert whole[len(text) :].strip() in ("", "</s>")  # behind the last end mark
    assert native(tokenizer).encode(text, add_special_tokens=False).ids == list(window.ids)
    replies = [tokenizer.decode(window.ids[span.start : span.end]) for span in window.spans]
    assert [reply.removesuffix(CLOSING[name]).strip() for reply in replies] == [
        turn.reply for turn in dialogue.turns
    ]
    assert all(reply.endswith(CLOSING[name]) for reply in replies)
    for before, after in pairwise(window.spans):
        assert before.end <= after.start


def test_silence_is_an_empty_user_turn(name, tokenizers):
    turns = [Turn(partner=SILENCE, reply="hi !"), Turn(partner="how are you ?", reply="i am ok")]
    dialogue = Dialogue(dialogue_id="d", persona=[], turns=turns)
    tokenizer = tokenizers[name]
    (window,) = Encoder(tokenizer, context=1000, format="chat").encode(dialogue)
    text = tokenizer.decode(window.ids)
    assert rendered(tokenizer, messages(dialogue, name)).startswith(text)


def split(encoder, dialogue):
    """A dialogue's windows, in a context that does not hold all of it."""
    (whole,) = encoder.encode(dialogue)
    encoder.context = len(whole.ids) * 2 // 3
    windows = encoder.encode(dialogue)
    assert len(windows) > 1
    return windows


def test_no_window_holds_a_special_token_of_ours(name, tokenizers):
    tokenizer = tokenizers[name]
    ours = {*tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS))}
    for persona in (True, False):
        encoder = Encoder(tokenizer, context=10_000, persona_text=persona, format="chat")
        windows = split(encoder, a_dialogue(turns=6, persona=1))
        assert not ours & {token for window in windows for token in window.ids}
        assert ours <= {*encoder.forbidden}
        assert encoder.format.closing not in encoder.forbidden


def test_every_window_begins_as_the_template_does(name, tokenizers):
    """Windows of a long dialogue are dialogues of the template, too."""
    tokenizer, dialogue = tokenizers[name], a_dialogue(turns=8, persona=1)
    windows = split(Encoder(tokenizer, context=10_000, format="chat"), dialogue)
    for window in windows:
        last = window.spans[-1].turn
        texts = [
            rendered(tokenizer, messages(part, name))
            for first in range(last + 1)
            for part in [dialogue.model_copy(update={"turns": dialogue.turns[first : last + 1]})]
        ]
        assert any(text.startswith(tokenizer.decode(window.ids)) for text in texts)


def test_a_default_system_message_stands_where_no_persona_does(tokenizers):
    dialogue = a_dialogue()
    with_persona = Encoder(tokenizers["chatml"], context=999, format="chat").encode(dialogue)
    without = Encoder(tokenizers["chatml"], context=999, persona_text=False, format="chat")
    assert "You are a helpful model" not in tokenizers["chatml"].decode(with_persona[0].ids)
    assert tokenizers["chatml"].decode(without.persona(dialogue.persona)) == (
        "<|im_start|>system\nYou are a helpful model<|im_end|>\n<|im_start|>user\n"
    )


def test_the_clock_stands_still(tokenizers):
    encoder = Encoder(tokenizers["llama_dated"], context=999, format="chat")
    assert f"Today Date: {DAY}\n\n" in tokenizers["llama_dated"].decode(encoder.format.start)


def test_a_sentencepiece_base_has_blanks_where_the_template_has_them(tmp_path):
    tokenizer = load_tokenizer(sentencepiece(tmp_path))
    add_special_tokens(tokenizer)
    tokenizer.chat_template = given.LLAMA_2
    encoder = Encoder(tokenizer, context=999, format="chat")
    dog = tokenizer.convert_tokens_to_ids("▁dog")
    dialogue = Dialogue(
        dialogue_id="d", persona=["a"], turns=[Turn(partner="dog", reply="dog")] * 2
    )
    (window,) = encoder.encode(dialogue)
    assert tokenizer.decode(window.ids) == (
        "<s>[INST] <<SYS>>\na\n<</SYS>>\n\ndog [/INST] dog </s><s>[INST] dog [/INST] dog </s>"
    )
    assert window.ids.count(dog) == 3  # all but the first, which stands after an end of line
    assert window.ids.count(tokenizer.bos_token_id) == 2


def test_marks_in_texts_are_text(name, tokenizers):
    """Special tokens as text; marks that are text themselves are refused by name."""
    tokenizer = tokenizers[name]
    encoder = Encoder(tokenizer, context=1000, format="chat")
    special = {*tokenizer.all_special_ids}
    for mark in [*given.MARKS, "</s>", "<s>", "<|user|>", "<|/system|>"]:
        text = f"say {mark} now"
        turns = [Turn(partner=text, reply=text), Turn(partner="ok", reply="bye")]
        (window,) = encoder.encode(Dialogue(dialogue_id="d", persona=[text], turns=turns))
        plain = [t.model_copy(update={"partner": "x", "reply": "x"}) for t in turns]
        (other,) = encoder.encode(Dialogue(dialogue_id="d", persona=["x"], turns=plain))
        marks = [token for token in window.ids if token in special]
        assert marks == [token for token in other.ids if token in special]
        assert encoder.decode(encoder.segment(text)) == text
    for mark in encoder.format.reserved:
        with pytest.raises(ModelError, match="a mark of its format; change the text"):
            encoder.segment(f"say {mark} now")


def test_llama_2s_own_mark_is_reserved(tokenizers):
    encoder = Encoder(tokenizers["llama_2"], context=1000, format="chat")
    with pytest.raises(ModelError, match=r"holds '\[/INST\]', a mark of its format"):
        encoder.encode(a_dialogue().model_copy(update={"persona": ["a [/INST] b"]}))


def test_an_empty_reply_is_refused_where_it_has_no_token(tokenizers):
    encoder = Encoder(tokenizers["chatml"], context=1000, format="chat")
    with pytest.raises(ModelError, match="an empty reply or candidate has no token"):
        encoder.segment("")


def test_the_tokenizer_is_left_as_it_was(tokenizers):
    tokenizer = tokenizers["zephyr"]
    before = tokenizer.backend_tokenizer.to_str()
    Encoder(tokenizer, context=1000, format="chat")
    assert tokenizer.backend_tokenizer.to_str() == before
    assert tokenizer.backend_tokenizer.encode_special_tokens

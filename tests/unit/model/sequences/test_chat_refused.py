"""Chat templates that cannot be a format, each refused in one line that says why."""

import pytest

from pipeline.errors import ModelError
from pipeline.model.sequences import chat
from pipeline.model.sequences.encoding import Encoder
from tests.support import chat_templates as given


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (None, r"no chat template; set the variant's format to special or plain"),
        (given.QWEN_3, r"begins replies in two ways: .*<think>\\n\\n</think>"),
        (given.ENDLESS_LAST, r"ends the last reply with '', and earlier ones with '</s>\[INST\]'"),
        (given.MOVING_SYSTEM, r"does not show every message once, as it is, in their order"),
        (given.COUNTED, r"in two ways: '<\|im_end\|>2assistant' and '<\|im_end\|>4assistant'"),
        (given.UPPER, r"does not show every message once, as it is"),
        (given.TWO_TOKENS, r"ends a reply with '&&user\\n'|'&&', which is not one token"),
        (given.UNMARKED, r"puts no mark between a user message and the reply"),
        ("{{ raise_exception('not\nfor you') }}", r"fails \(TemplateError: not\\nfor you\)"),
        ("{% for m in messages %}", r"fails \(TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", r"fails \(SecurityError"),
        ("{{ messages[0].content * 2 }}", r"does not show every message once"),
        ("no messages", r"does not show every message once"),
        (r"{{ '\ud800' }}", r"is rendered with half a surrogate pair in it, which is no text"),
        ("{{ 'x' * 20000000000 }}", r"fails \(MemoryError"),
        ("{{ 'x' * 2000000 }}", r"fails \(ValueError: 2000000 letters"),
    ],
)
def test_a_template_that_cannot_be_a_format_is_refused_in_a_line(template, said, tmp_path):
    tokenizer = given.tokenizer_with(template, tmp_path)
    with pytest.raises(ModelError, match=f"format chat: .*{said}") as refused:
        Encoder(tokenizer, context=100, format="chat")
    assert "\n" not in str(refused.value)
    assert "format" in str(refused.value)


def test_a_template_without_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(chat, "SECONDS", 1)
    loops = "{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3
    tokenizer = given.tokenizer_with(loops, tmp_path)
    with pytest.raises(ModelError, match="takes more than 1 seconds, or too much memory"):
        Encoder(tokenizer, context=100, format="chat")
    monkeypatch.setattr(chat, "_WAIT", 0.01)
    tokenizer.chat_template += " "
    with pytest.raises(ModelError, match="is not rendered within 0 seconds"):
        Encoder(tokenizer, context=100, format="chat")

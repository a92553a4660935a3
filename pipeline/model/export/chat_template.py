r"""A variant's format as a chat template: `apply_chat_template` then gives what it was trained on.

The formats `special` and `plain` have no template of their own. The one written here has
`{% generation %}` around replies, so libraries that ask for assistant masks find them. The base's
own template may put today's date into a dialogue; here it puts the day that training had.
"""

import json
from datetime import datetime, time
from string import ascii_letters
from typing import Any

from pipeline.model.sequences.chat import DAY
from pipeline.model.sequences.encoding import Encoder
from pipeline.model.sequences.formats import spelled


_TEMPLATE = """\
{{%- set persona = {reads_persona} and messages and messages[0].role == 'system' -%}}
{{{{- {persona_open} if persona else {start} -}}}}
{{%- for message in messages -%}}
{{%- if message.role == 'system' -%}}
{{{{- {persona_blank} + message.content + {persona_close} if persona else '' -}}}}
{{%- elif message.role == 'user' -%}}
{{{{- {user_open} + message.content + {user_close} -}}}}
{{%- else -%}}
{{{{- {reply_open} -}}}}
{{%- generation -%}}
{{{{- {reply_blank} + message.content + {closing} -}}}}
{{%- endgeneration -%}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- if add_generation_prompt -%}}
{{{{- {reply_open} -}}}}
{{%- endif -%}}
"""


_CLOCK = "strftime_now"  # what a template may ask for the date
_PERCENT = "\x01"  # stands for a percent sign while the directives are replaced


def chat_template(encoder: Encoder, tokenizer: Any) -> str:
    """Return the template of a variant's format; of `chat` the base's own, on the day of training.

    The persona is the system message, its sentences joined by blanks; a variant that reads no
    persona text leaves it out.
    """
    form = encoder.format
    if form.opens_user:
        return _on_the_day(tokenizer.chat_template)

    def text(ids: tuple[int, ...]) -> str:
        return spelled(tokenizer, ids)

    blanks = form.blanks
    marks = {
        "start": text(form.start),
        "persona_open": text(form.persona_open),
        "persona_blank": blanks.persona,
        "persona_close": text(form.sentence_close + form.persona_close),
        "user_open": text(form.user_open) + blanks.user,
        "user_close": text(form.user_close),
        "reply_open": text(form.system_open),
        "reply_blank": blanks.reply,
        "closing": blanks.reply_end + text((form.closing,)),
    }
    texts = {name: json.dumps(mark) for name, mark in marks.items()}
    return _TEMPLATE.format(**texts, reads_persona=json.dumps(encoder.persona_text))


def _on_the_day(template: str) -> str:
    """Return a template whose clock stands at the day that training had."""
    if _CLOCK not in template:
        return template
    values = {"%%": _PERCENT}
    directives = [f"%{flag}{one}" for flag in ("", "-") for one in ascii_letters]
    values |= {directive: _said(directive) for directive in directives}
    values[_PERCENT] = "%"
    replaced = "".join(
        f" | replace({json.dumps(said)}, {json.dumps(value)})"
        for said, value in values.items()
        if said != value
    )
    # The line end goes with the block's end: what follows still begins a line, as it did.
    clock = f"{{%- macro {_CLOCK}(format) -%}}{{{{ format{replaced} }}}}{{%- endmacro %}}\n"
    return clock + template


def _said(words: str) -> str:
    """Return what `strftime` makes of words on the day of training."""
    return datetime.combine(DAY, time.min).strftime(words)

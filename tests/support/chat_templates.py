"""Chat templates in the manner of well-known ones, and tokenizers that have their marks."""

import json
from pathlib import Path

from pipeline.model.base.tokenizer import add_special_tokens, load_tokenizer, train_tokenizer
from tests.conftest import LINES


CHATML = (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}"
    "<|im_start|>system\nYou are a helpful model<|im_end|>\n{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA_2 = (
    "{% set said = messages[1:] if messages[0].role == 'system' else messages %}"
    "{% for m in said %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles') }}{% endif %}"
    "{% if m.role == 'user' %}{{ bos_token + '[INST] ' }}"
    "{% if loop.first and messages[0].role == 'system' %}"
    "{{ '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' }}{% endif %}"
    "{{ m.content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content|trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
LLAMA_DATED = LLAMA_3.replace(
    "{{ bos_token }}",
    "{{ bos_token + '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' }}"
    "{{ strftime_now('%d %b %Y') + '\n\n' }}"
    "{% if messages[0].role == 'system' %}{{ messages[0].content }}"
    "{% set messages = messages[1:] %}{% endif %}<|eot_id|>",
)
ZEPHYR = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ '<|user|>\n' + m.content + eos_token }}"
    "{% elif m.role == 'system' %}{{ '<|system|>\n' + m.content + eos_token }}"
    "{% else %}{{ '<|assistant|>\n' + m.content + eos_token }}{% endif %}{{ '\n' }}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles') }}{% endif %}"
    "{% set role = 'model' if m.role == 'assistant' else m.role %}"
    "{{ '<start_of_turn>' + role + '\n' + m.content|trim + '<end_of_turn>\n' }}{% endfor %}"
)
PHI_3 = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
LINED = (  # no special token at all
    "{% for m in messages %}{{ m.role|capitalize + ': ' + m.content + '\n' }}{% endfor %}"
)
TAKEN = {
    "chatml": CHATML,
    "llama_2": LLAMA_2,
    "llama_3": LLAMA_3,
    "llama_dated": LLAMA_DATED,
    "zephyr": ZEPHYR,
    "gemma": GEMMA,
    "phi_3": PHI_3,
    "lined": LINED,
}

QWEN_3 = (  # an empty thought before the last reply alone
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m.content + '<|im_end|>\n' }}{% endfor %}"
)
ENDLESS_LAST = (  # the last reply has no end mark
    "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST]' + m.content + '[/INST]' }}"
    "{% else %}{{ m.content }}{% if not loop.last %}{{ eos_token }}{% endif %}{% endif %}"
    "{% endfor %}"
)
MOVING_SYSTEM = (  # the system message stands in the last user turn
    "{% set said = messages[1:] if messages[0].role == 'system' else messages %}"
    "{% for m in said %}{% if m.role == 'user' %}{{ '[INST]' }}"
    "{% if messages[0].role == 'system' and loop.index0 + 2 == said|length %}"
    "{{ messages[0].content + '\n\n' }}{% endif %}{{ m.content + '[/INST]' }}"
    "{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}"
)
COUNTED = (  # turns are numbered
    "{% for m in messages %}{{ loop.index ~ m.role + m.content + '<|im_end|>' }}{% endfor %}"
)
UPPER = "{% for m in messages %}{{ m.role + '\n' + m.content|upper + '<|im_end|>' }}{% endfor %}"
TWO_TOKENS = "{% for m in messages %}{{ m.role + '\n' + m.content + '&&' }}{% endfor %}"
UNMARKED = (
    "{% for m in messages %}{{ m.content + ('' if m.role == 'user' else eos_token) }}{% endfor %}"
)

MARKS = [
    *("<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    *("<start_of_turn>", "<end_of_turn>", "<|end|>"),
]


def tokenizer_with(template: str | None, folder: Path):
    """A byte-level tokenizer with everybody's marks, saved and loaded as a stranger's is."""
    tokenizer = train_tokenizer(LINES * 4, 300)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<s>", "</s>", *MARKS]})
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"bos_token": "<s>", "eos_token": "</s>"}))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    loaded = load_tokenizer(folder)
    add_special_tokens(loaded)
    return loaded

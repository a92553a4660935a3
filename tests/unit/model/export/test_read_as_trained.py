"""An export is read as it was trained: its tokenizer, and the day in its chat template."""

import json

import pytest

from pipeline.model.base.load import load_base
from pipeline.model.base.lossless import SAMPLES
from pipeline.model.export.auto_tokenizer import is_read_otherwise
from pipeline.model.export.chat_template import chat_template
from pipeline.model.sequences.chat import DAY
from pipeline.model.sequences.encoding import Encoder
from stages.commands.export import export
from tests.conftest import a_dialogue, tiny_gpt2
from tests.support import chat_templates as given
from tests.support.exports import alone, save_variant, write_base
from tests.support.families import tiny_model


IDS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import exported_model
encode = exported_model.TOKENIZER.encode
print(json.dumps([encode(text, add_special_tokens=False) for text in json.loads(sys.argv[2])]))
"""


@pytest.fixture
def exported(tokenizer, tmp_path, monkeypatch, capsys):
    """Return a function that exports a model of a kind, and what was said of it."""
    monkeypatch.chdir(tmp_path)

    def run(kind):
        model = tiny_gpt2(tokenizer) if kind == "gpt2" else tiny_model(kind, len(tokenizer))
        write_base(tokenizer, model)
        save_variant()
        export("in_place", tmp_path / "out")
        return tmp_path / "out", " ".join("".join(capsys.readouterr()).split())

    return run


@pytest.mark.parametrize(("kind", "otherwise"), [("gpt2", False), ("qwen2", True)])
def test_a_tokenizer_is_loaded_as_it_is_written(kind, otherwise, exported):
    folder, said = exported(kind)
    trained = load_base(folder.parent / "models/base")[1].backend_tokenizer
    expected = [trained.encode(text, add_special_tokens=False).ids for text in SAMPLES]
    assert json.loads(alone(IDS, folder, json.dumps(SAMPLES))) == expected
    card = (folder / "README.md").read_text()
    assert "PreTrainedTokenizerFast.from_pretrained(FOLDER)" in card
    assert is_read_otherwise(folder) is otherwise
    assert ("`AutoTokenizer` has a rule of its own" in card) is otherwise
    assert ("AutoTokenizer reads its tokenizer otherwise than in training" in said) is otherwise


def test_a_tokenizer_that_cannot_be_read_by_that_class_is_said(exported):
    folder, _ = exported("gpt2")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"auto_map": 5}))
    assert is_read_otherwise(folder)


def test_a_template_has_the_day_of_training(tmp_path):
    tokenizer = given.tokenizer_with(given.TAKEN["llama_dated"], tmp_path)
    encoder = Encoder(tokenizer, context=10_000, format="chat")
    dialogue = a_dialogue(turns=2)
    (window,) = encoder.encode(dialogue)
    tokenizer.chat_template = chat_template(encoder, tokenizer)
    said = [{"role": "system", "content": " ".join(dialogue.persona)}]
    for turn in dialogue.turns:
        said += [{"role": "user", "content": turn.partner}]
        said += [{"role": "assistant", "content": turn.reply}]
    whole = tokenizer.apply_chat_template(said, tokenize=False)
    assert whole.startswith(tokenizer.decode(window.ids))
    assert "26 Jul 2024" in whole


@pytest.mark.parametrize("words", ["%d %b %Y", "%-d. %B %y", "%FT%T %j %p", "100%% %%d%%%d", "x"])
def test_every_spelling_of_the_day_is_the_clocks(words, tmp_path):
    template = f"\n {{{{ strftime_now('{words}') }}}} {{{{ strftime_now is defined }}}}"
    tokenizer = given.tokenizer_with(given.TAKEN["llama_dated"], tmp_path)
    encoder = Encoder(tokenizer, context=10_000, format="chat")
    tokenizer.chat_template = template
    tokenizer.chat_template = chat_template(encoder, tokenizer)
    made = tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)
    assert made == f"\n {DAY.strftime(words)} True"


def test_the_first_line_of_a_template_is_one_still(tmp_path):
    """`transformers` strips the blanks before a block that begins a line."""
    tokenizer = given.tokenizer_with(given.TAKEN["llama_dated"], tmp_path)
    encoder = Encoder(tokenizer, context=10_000, format="chat")
    tokenizer.chat_template = "    {% if messages %}{{ strftime_now('%d') }}{% endif %}"
    tokenizer.chat_template = chat_template(encoder, tokenizer)
    assert tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False) == "26"


def test_a_template_without_a_clock_stays_as_it_is(tmp_path):
    tokenizer = given.tokenizer_with(given.TAKEN["chatml"], tmp_path)
    encoder = Encoder(tokenizer, context=10_000, format="chat")
    assert chat_template(encoder, tokenizer) == tokenizer.chat_template == given.TAKEN["chatml"]

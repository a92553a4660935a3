"""An exported model's reader takes time in proportion to a conversation's length."""

from stages.commands.export import export
from tests.conftest import tiny_gpt2
from tests.support.exports import alone, save_variant, write_base


ENCODED = """
import sys
sys.path.insert(0, sys.argv[1])
import exported_model
encode, counted = exported_model._text, []
exported_model._text = lambda text: counted.append(text) or encode(text)
turns = [("hi there .", f"i have {number} dogs .") for number in range(400)]
assert len(exported_model.replies((["i like dogs ."], turns))) == 400
print(len(counted))
"""


def test_personalize_encodes_each_turn_once(tokenizer, tmp_path, monkeypatch):
    """A conversation of 400 turns took ten minutes: each reply tried every window anew."""
    monkeypatch.chdir(tmp_path)
    write_base(tokenizer, tiny_gpt2(tokenizer, n_positions=300))
    save_variant()
    export("in_place", tmp_path / "out")
    assert int(alone(ENCODED, tmp_path / "out")) <= 1 + 3 * 400  # partner twice, reply

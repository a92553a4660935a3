"""A toy game of self-play, in a folder of its own."""

import pytest

from pipeline.learning.p2bot.receiver.network import Receiver
from pipeline.learning.p2bot.self_play.game import Game
from pipeline.learning.p2bot.self_play.judges import Judges
from pipeline.model.base.architecture import architecture_of
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.network.language_model import LanguageModel
from tests.conftest import LINES, tiny_gpt2
from tests.support.self_play import TASKS, first_coordinate, params


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


@pytest.fixture
def make_game(make_learner, tokenizer):
    def make(judges=None, **values):
        learner = make_learner()
        body = LanguageModel(
            architecture_of(tiny_gpt2(tokenizer, seed=3)),
            num_special=len(SPECIAL_TOKENS),
            attention="sdpa",
        )
        receiver = Receiver(body, tokenizer)
        receiver.whiten(LINES)
        kind = judges or Judges
        made = kind(learner, receiver, first_coordinate, params(**values))
        return Game(learner, made, TASKS, params(**values), seed=0)

    return make

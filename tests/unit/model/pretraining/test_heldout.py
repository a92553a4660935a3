import math

import numpy as np
import pytest

from pipeline.model.pretraining.heldout import heldout_facts, model_nll, unigram_nll
from pipeline.model.pretraining.pretrain import initial_model
from pipeline.params import Pretrain


VOCAB = 40


def _params():
    return Pretrain.model_construct(
        num_layers=1, width=16, num_heads=2, context=32, sequence_length=12, batch_size=4
    )


def _uniform_model(params):
    model = initial_model(params, vocab_size=VOCAB, end=0, seed=0)
    for parameter in model.parameters():
        parameter.data.zero_()
    return model


@pytest.mark.parametrize("count", [2, 12, 13, 14, 25, 100])
def test_every_token_but_the_first_is_counted_once(count):
    params = _params()
    ids = (np.arange(count) % VOCAB).astype(np.uint32)
    nll = model_nll(_uniform_model(params), ids, params)
    assert nll == pytest.approx((count - 1) * math.log(VOCAB), rel=1e-6)


def test_unigram_by_hand():
    train = np.array([0, 1, 1, 2], dtype=np.uint32)  # counts 1, 2, 1, 0; each plus one, of 8
    ids = np.array([3, 1, 3, 0], dtype=np.uint32)
    assert unigram_nll(train, ids, 4) == pytest.approx(-math.log(3 / 8 * 1 / 8 * 2 / 8))


def test_facts_are_per_token_and_per_byte():
    params = _params()
    ids = np.zeros(11, dtype=np.uint32)
    facts = heldout_facts(
        _uniform_model(params), np.arange(VOCAB), ids, num_bytes=20, params=params
    )
    assert facts["heldout_tokens"] == 10
    assert facts["heldout_bytes"] == 20
    assert facts["ppl_per_token"] == pytest.approx(VOCAB, rel=1e-5)
    assert facts["loss_per_byte"] == pytest.approx(facts["loss_per_token"] / 2)
    assert facts["ppl_per_byte"] == pytest.approx(math.sqrt(VOCAB), rel=1e-5)
    assert facts["ppl_unigram_per_token"] == pytest.approx(VOCAB)

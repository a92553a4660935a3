"""The receiver: relevance by hand, what is trained, and that it learns who is meant."""

import pytest
import torch

from pipeline import artifacts
from pipeline.errors import PipelineError
from pipeline.learning.p2bot.meetings import Voice
from pipeline.learning.p2bot.receiver import train
from pipeline.learning.p2bot.receiver.files import TENSORS, inputs, load_receiver, save
from pipeline.learning.p2bot.receiver.network import (
    BIAS,
    WEIGHT,
    Receiver,
    masked_mean,
    perception,
    relevance,
    soft_score,
)
from pipeline.learning.p2bot.receiver.train import margin_loss, sharpness, sparsity
from pipeline.learning.training.loop import Session, Trained, TrainingProgress
from pipeline.model.base.architecture import architecture_of
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.model.files.tensors import write_tensors
from pipeline.model.network.language_model import LanguageModel
from pipeline.model.network.projection import SPECIAL
from pipeline.params import ReceiverTraining, Settings
from pipeline.params.views import ReceiverParams
from pipeline.persona.task.text import normalise
from tests.conftest import LINES, tiny_gpt2
from tests.wiring.closure import ROOT


MATRIX = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])  # two utterances, three sentences


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def receiver(tokenizer):
    gpt2 = tiny_gpt2(tokenizer)
    model = LanguageModel(architecture_of(gpt2), num_special=len(SPECIAL_TOKENS), attention="sdpa")
    return Receiver(model, tokenizer)


def params(**values):
    given = {
        "lr": 0.002, "batch_size": 4, "steps": 60, "warmup_steps": 0, "clip": 1.0,
        "validate_every": 20, "patience": 9, "negatives": 1, "valid_negatives": 7, "margin": 0.5,
        "sparsity": 0.001, "tau_start": 0.1, "tau_examples": 50, "tau_max": 1.5,
    }  # fmt: skip
    return ReceiverTraining(**given | values)


def test_relevance_is_the_scaled_inner_product():
    one, other = torch.randn(2, 768), torch.randn(3, 768)
    expected = torch.einsum("uh,ph->up", one, other) / 27
    torch.testing.assert_close(relevance(one, other), expected)


def test_the_soft_score_goes_from_the_mean_to_the_best_sentence():
    assert soft_score(MATRIX, 0.0).item() == pytest.approx(MATRIX.mean(1).sum().item())
    assert soft_score(MATRIX, 1e4).item() == pytest.approx(1.0 + 3.0)
    middle = sum(
        sum(m * torch.exp(torch.tensor(0.7 * m)) for m in row)
        / sum(torch.exp(torch.tensor(0.7 * m)) for m in row)
        for row in MATRIX.tolist()
    )
    assert soft_score(MATRIX, 0.7).item() == pytest.approx(middle.item())
    assert perception(MATRIX).tolist() == [1.0, 3.0]


def test_the_margin_loss_by_hand():
    assert margin_loss(torch.tensor([1.0, 0.8]), 0.5).item() == pytest.approx(0.15)
    assert margin_loss(torch.tensor([1.0, 0.4]), 0.5).item() == 0
    assert sparsity(torch.stack([MATRIX, 0 * MATRIX])).item() == pytest.approx(7.5 / 2 / 2)


def test_sharpness_grows_with_the_examples_seen_up_to_its_limit():
    found = [sharpness(n, params()) for n in (0, 49, 50, 700, 10_000)]
    assert found == pytest.approx([0.1, 0.1, 0.2, 1.5, 1.5])


def test_padding_changes_nothing():
    hidden, lengths = torch.randn(2, 5, 3), torch.tensor([2, 5])
    found = masked_mean(hidden, lengths)
    torch.testing.assert_close(found[0], hidden[0, :2].mean(0))
    torch.testing.assert_close(found[1], hidden[1].mean(0))


def test_an_embedding_does_not_depend_on_its_neighbours(receiver):
    receiver.whiten(LINES)
    together = receiver.embed(receiver.theta, LINES)
    alone = torch.cat([receiver.embed(receiver.theta, [line]) for line in LINES])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together.norm(dim=-1), torch.full((5,), 4.0))  # √16


def test_whitening_removes_mean_and_correlation_of_the_words(receiver):
    sentences = [f"{a} {b}" for a in "abcdefgh" for b in "klmnopqrstuvw"]
    receiver.whiten(sentences)
    width = receiver.theta[BIAS].numel()
    words = receiver.pool(receiver.theta, sentences)[:, :width]
    white = words @ receiver.theta[WEIGHT][:, :width].T + receiver.theta[BIAS]
    assert white.mean(0).abs().max() < 1e-3
    covariance = torch.cov(white.T, correction=0)
    assert (covariance - torch.eye(width)).abs().max() < 0.2  # but for the ridge
    assert (receiver.theta[WEIGHT][:, width:] == 0).all()


# What is said, and what the persona calls it: no word in common, so it must be learned.
TOPICS = {
    "pasta": "food", "cars": "driving", "books": "reading", "dogs": "pets",
    "nurse": "hospital", "sea": "water", "brother": "family", "songs": "music",
}  # fmt: skip


def people(topics, number):
    """Voices of two topics each, among words that say nothing."""
    pairs = [(a, b) for a in topics for b in topics if a != b]
    return [voice(*pair) for pair in pairs[:number]]


def voice(*topics):
    persona = tuple(f"{TOPICS[topic]} is what i like ." for topic in topics)
    said = tuple(f"hi , i think of {topic} today ?" for topic in topics)
    return Voice((*said, "that is great !"), persona, frozenset(map(normalise, persona)))


def session():
    return Session(Checkpoint("r", {}), lambda *_: None)


def test_it_learns_to_rank_the_own_persona_above_strangers(receiver):
    voices = {"train": people(list(TOPICS), 40), "valid": people(list(TOPICS)[::-1], 30)}
    trained = train.run(receiver, params(), voices, seed=0, session=session())
    history = trained.progress.history
    assert history[0]["valid_hits_at_1"] < 50
    assert trained.progress.best_value > 80  # chance is one in eight
    assert tuple(history[1]) == train.COLUMNS


def test_word_embeddings_stay_and_everything_else_is_trained(receiver):
    before = {name: value.clone() for name, value in receiver.fixed.items()}
    voices = {"train": people(list(TOPICS), 40), "valid": people(list(TOPICS), 5)}
    start = dict(receiver.theta)
    trained = train.run(receiver, params(steps=2), voices, seed=0, session=session())
    assert set(before) == {"wte.weight", SPECIAL}
    assert not set(trained.theta) & set(before)
    assert all(torch.equal(before[name], receiver.fixed[name]) for name in before)
    assert set(trained.theta) == set(start)


def test_the_gradient_reaches_the_body_once_the_projection_reads_it(receiver):
    theta = {name: value.clone().requires_grad_() for name, value in receiver.theta.items()}
    with torch.no_grad():
        theta[WEIGHT] += 0.1
    receiver.embed(theta, LINES).pow(3).sum().backward()
    assert all(value.grad is not None for value in theta.values())
    assert theta["h.0.attn.c_attn.weight"].grad.abs().max() > 0


def recorded(receiver):
    """Save a receiver beside a base; return its folder."""
    artifacts.write_text(artifacts.BASE / "config.json", "{}")
    for split in ("train", "valid"):
        artifacts.write_text(artifacts.tasks_file(split), split)
    progress = TrainingProgress(step=1, best_value=10.0)
    params = Settings.load(ROOT / "presets/embedded.yaml").view(ReceiverParams)
    return save(Trained(receiver.theta, progress), {"train": [], "valid": []}, 0, params, inputs())


def test_a_saved_receiver_embeds_as_before(receiver, tokenizer):
    receiver.whiten(LINES)
    folder = recorded(receiver)
    loaded = load_receiver(folder, (tiny_gpt2(tokenizer, seed=9), tokenizer), torch.device("cpu"))
    loaded.fixed = receiver.fixed  # word embeddings are the base's
    assert torch.equal(loaded.embed(loaded.theta, LINES), receiver.embed(receiver.theta, LINES))


@pytest.mark.parametrize("what", ["base", "train", "valid", "tensors"])
def test_a_receiver_of_another_base_run_or_tasks_is_refused(receiver, tokenizer, what):
    folder = recorded(receiver)
    if what in ("train", "valid"):
        artifacts.write_text(artifacts.tasks_file(what), "other")
    elif what == "base":
        artifacts.write_text(artifacts.BASE / "config.json", "{ }")
    else:
        write_tensors({n: v + 1 for n, v in receiver.theta.items()}, folder / TENSORS)
    why = "changed or damaged" if what == "tensors" else "made with a"
    with pytest.raises(PipelineError, match=rf"{why} .* run `python -m stages.p2_receiver 0`"):
        load_receiver(folder, (tiny_gpt2(tokenizer), tokenizer), torch.device("cpu"))

"""Shared by all tests: a tiny corpus, a tiny GPT-2, the real data where there is any."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from pipeline.model.base.tokenizer import add_special_tokens, train_tokenizer
from pipeline.model.network.learner import Learner, build_learner
from pipeline.params import Adapters, Variant
from pipeline.persona.task.record import SILENCE, Dialogue, Turn


REAL_DATA = os.environ.get("MAMLVIAPP_DATA", "")

# A shell's background job ignores Ctrl-C, and so would every process that a test starts from it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="MAMLVIAPP_DATA names no folder with the real data")
    for item in items:
        if "real_data" in item.keywords and not Path(REAL_DATA or "/nonexistent").is_dir():
            item.add_marker(skip)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; only tests marked `real_data` may ask for it."""
    return Path(REAL_DATA).resolve()


LINES = [
    "hi , how are you today ?",
    "i am a nurse and i have two dogs .",
    "i like to read books about old cars .",
    "do you like to cook ? my favorite food is pasta .",
    "that is great ! i live near the sea with my brother .",
]


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = train_tokenizer(LINES * 4, 300)
    add_special_tokens(tokenizer)
    return tokenizer


def tiny_gpt2(tokenizer: PreTrainedTokenizerFast, seed: int = 0, **sizes: int) -> GPT2LMHeadModel:
    """A GPT-2 whose every parameter is random and not small, so that no term can hide."""
    sizes = {"n_layer": 2, "n_embd": 16, "n_head": 2, "n_positions": 256} | sizes
    config = GPT2Config(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0, **sizes)
    generator = torch.Generator().manual_seed(seed)
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator) * 0.3
            value.copy_(1 + noise if "ln_" in name and "weight" in name else noise)
    return model


AXES = {
    "in_place": Variant(init="pretrained"),
    "extra_place": Variant(init="pretrained", adapters=True, freeze_base=True),
    "extra_place_unfixed": Variant(init="pretrained", adapters=True),
}


def learner_of(
    tokenizer: PreTrainedTokenizerFast,
    name: str | Variant = "in_place",
    attention: str = "eager",
    *,
    double: bool = False,
    precision: str = "float32",
    **sizes: int,
) -> Learner:
    """A tiny learner: axes by a variant's name; `double` for finite differences.

    The adapters' up-projections are not zero: at exactly zero half of their gradients vanish.
    """
    learner = build_learner(
        AXES[name] if isinstance(name, str) else name,
        Adapters(bottleneck=4, init_std=0.3),
        (tiny_gpt2(tokenizer, **sizes), tokenizer),
        seed=1,
        attention=attention,
        device=torch.device("cpu"),
    )
    learner.model.precision = precision
    if double:
        learner.model.to(torch.float64)
    tensors = {
        key: value.double() if double else value.clone()
        for key, value in {**learner.fixed, **learner.theta}.items()
    }
    generator = torch.Generator().manual_seed(2)
    for key, value in tensors.items():
        if ".adapter.up." in key:
            value += 0.3 * torch.randn(value.shape, generator=generator, dtype=value.dtype)
    return Learner(
        learner.model,
        learner.encoder,
        {key: tensors[key] for key in learner.theta},
        {key: tensors[key] for key in learner.fixed},
    )


@pytest.fixture(scope="session")
def make_learner(tokenizer: PreTrainedTokenizerFast) -> Callable[..., Learner]:
    """Make a tiny learner, as `learner_of`."""
    return partial(learner_of, tokenizer)


NURSE = Dialogue(
    dialogue_id="d",
    persona=["i am a nurse .", "i like dogs ."],
    turns=[
        Turn(partner=SILENCE, reply="hi !"),
        Turn(partner="how are you ?", reply="i am great"),
    ],
)


def a_dialogue(number: int = 0, turns: int = 3, persona: int = 2) -> Dialogue:
    """A dialogue made of LINES, different for every number."""
    pick = [LINES[(number + i) % len(LINES)] for i in range(2 * turns)]
    replies = [f"{text} {number}" for text in pick[1::2]]
    return Dialogue(
        dialogue_id=f"d{number}",
        persona=[LINES[(number + 1 + i) % len(LINES)] for i in range(persona)],
        turns=[
            Turn(partner=partner, reply=reply)
            for partner, reply in zip(pick[::2], replies, strict=True)
        ],
    )

"""Parameters and texts from which bases of toy size are built."""

import random

from pipeline.model.base.huggingface_folder import read_model
from pipeline.model.pretraining.build import build_base
from pipeline.params import Base


PRETRAIN = {
    "tokenizer": None,
    "vocab_size": 280,
    "num_layers": 1,
    "width": 16,
    "num_heads": 2,
    "context": 48,
    "sequence_length": 24,
    "batch_size": 4,
    "steps": 40,
    "warmup_steps": 4,
    "lr": 0.02,
    "weight_decay": 0.01,
    "holdout": 0.1,
}


def base_params(
    source="pretrain", *, revision=None, seed=0, window=None, dtype="float32", **pretrain
):
    values = {"source": source, "revision": revision, "seed": seed}
    return Base(**values, context=window, dtype=dtype, pretrain={**PRETRAIN, **pretrain})


def ignore(step, note):
    pass


def build(params, text, target):
    return build_base(params, text, target, advance=ignore)


def a_text():
    generator = random.Random(0)
    line = "my {} likes the {} park ."
    words = ["dog", "cat", "mother", "red", "big", "old"]
    dialogues = [
        "".join(line.format(*generator.choices(words, k=2)) + "\n" for _ in range(4))
        for _ in range(60)
    ]
    return "\n".join(dialogues)


def model_of(folder):
    """The model of a folder, where nothing else is asked."""
    return read_model(folder)[0]

"""What `personalize.py` uses: load the exported start, encode conversations, the loss, save.

`personalize.json` says how the model was trained: the marks around messages, what adapts, at which
rates. Messages are encoded apart from the marks, so a mark's name in a message is text.
"""

import json
import random
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from conversations import Dialogue  # type: ignore[import-not-found]
from json_lines import UnusableError, shown  # type: ignore[import-not-found]
from safetensors.torch import save_model
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast


HERE = Path(__file__).parent
S = json.loads((HERE / "personalize.json").read_text(encoding="utf-8"))
# As tokenizer.json has it. `AutoTokenizer` has rules of its own for some kinds of models.
TOKENIZER = PreTrainedTokenizerFast.from_pretrained(HERE, local_files_only=True)

Reply = tuple[list[int], int]  # ids up to its end; how many of the last are its own


def load() -> Any:
    """Return the exported start, in eval mode: no dropout, in training neither."""
    if S["adapters"] == "bottleneck":
        from bottlenecks import load as load_bottlenecks  # type: ignore[import-not-found]

        return load_bottlenecks()
    folder = HERE / "base" if S["adapters"] else HERE
    model = AutoModelForCausalLM.from_pretrained(
        folder, trust_remote_code=False, local_files_only=True
    ).eval()
    if S["adapters"]:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, HERE / "adapter", is_trainable=True).eval()
    return model


def moving(model: Any) -> Iterator[Tensor]:
    """Yield the parameters that adapt, each with its rate in units of the optimizer's.

    A table's plain rows and the special tokens' rows have rates of their own.
    """
    for name, value in model.named_parameters():
        for mark in ("base_model.model.", ".base_layer", ".default"):  # PEFT's
            name = name.replace(mark, "")
        plain, special = S["rates"].get(name, (0.0, 0.0))
        value.requires_grad_(plain > 0 or special > 0)
        if value.requires_grad:
            factor = torch.full((len(value), *[1] * (value.ndim - 1)), plain)
            if plain != special:
                factor[S["plain_rows"] :] = special
            value.register_hook(lambda gradient, factor=factor: gradient * factor)
            yield value


def replies(dialogue: Dialogue, room: int = 0) -> list[Reply]:
    """Return each reply behind the persona and as many whole latest turns as the context holds.

    Args:
        dialogue: persona and turns.
        room: tokens that must fit in the place of any reply, e.g. a generated one.

    Raises:
        UnusableError: not even a single turn fits, or a response would not fit behind it.
    """
    persona, turns = dialogue
    persona = persona if S["persona_text"] else []
    found = []
    for end in range(1, len(turns) + 1):
        for first in range(end):
            ids, own = encode(persona, turns[first:end])
            if len(ids) - own + max(own, room) <= S["context"]:
                break
        if (length := len(ids) - own + max(own, S["room"])) > S["context"]:
            raise UnusableError(
                f"persona {shown(' '.join(persona), 60)!r} ({len(encode(persona, [])[0])} tokens), "
                f"a turn and a response need {length} tokens, the model's context holds "
                f"{S['context']}; shorten the persona or the turn"
            )
        found.append((ids, own))
    return found


def encode(persona: Sequence[str], turns: Sequence[tuple[str, str]]) -> Reply:
    """Return a window's ids, and how many of the last belong to the last reply."""
    marks, blanks = S["marks"], S["blanks"]
    ids = list(marks["persona_open"] if persona else marks["start"])
    for number, sentence in enumerate(persona):
        ids += _text((" " if number else blanks["persona"]) + sentence) + marks["sentence_close"]
    ids += marks["persona_close"] if persona else []
    reply: list[int] = []
    for number, (partner, said) in enumerate(turns):
        opening, blank = marks["user_open"], blanks["user"]
        if number == 0 and S["opens_user"]:
            opening, blank = [], blanks["after_persona" if persona else "after_start"]
        if partner or S["opens_user"]:
            ids += opening + _text(blank + partner) + marks["user_close"]
        reply = [*_text(blanks["reply"] + said + blanks["reply_end"]), S["closing"]]
        ids += marks["system_open"] + reply
    return ids, len(reply)


def _text(text: str) -> list[int]:
    text = text.replace("\n", S["line_end"])  # which is a mark of the format of plain lines
    ids: list[int] = TOKENIZER.encode(text, add_special_tokens=False, split_special_tokens=True)
    return ids


def updates(support: Sequence[list[Reply]], seed: str) -> list[list[Reply]]:
    """Return an epoch's updates: a dialogue's replies each, or `batch_size` replies."""
    shuffled = [*support]
    random.Random(seed).shuffle(shuffled)
    if not (size := S["batch_size"]):
        return shuffled
    flat = [reply for dialogue in shuffled for reply in dialogue]
    return [flat[first : first + size] for first in range(0, len(flat), size)]


def loss(model: Any, batch: Sequence[Reply]) -> Tensor:
    """Return the mean loss of some replies: nats per token, closing tokens counted.

    Raises:
        UnusableError: it is not finite.
    """
    total = torch.zeros(())
    for ids, own in batch:
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -own - 1 : -1]
        total = total + cross_entropy(logits.float(), torch.tensor(ids[-own:]), reduction="sum")
    if not isfinite(total.item()):
        raise UnusableError(f"the loss is {total.item()}; lower lr in personalize.json")
    return total / sum(own for _, own in batch)


def require_new(path: Path) -> None:
    """Refuse a file that is there, or that cannot be written.

    Raises:
        UnusableError: the message names it.
    """
    if path.exists() or not path.parent.is_dir():
        there = "there already" if path.exists() else "its folder is not there"
        raise UnusableError(f"{path}: {there}; name another file")


def save(model: Any, path: Path) -> None:
    """Write the model's parameters to a file, whole or not at all, of the usual mode."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.touch()
        mode = partial.stat().st_mode  # safetensors alone would let nobody else read it
        save_model(model, str(partial))
        partial.chmod(mode)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

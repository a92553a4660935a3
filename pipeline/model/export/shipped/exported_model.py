"""What `personalize.py` uses: load the exported start, encode conversations, the loss, save.

`personalize.json` says how the model was trained: the marks around messages, what adapts, at which
rates. Messages are encoded apart from the marks, so a mark's name in a message is text.
"""

import json
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

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
    opening = _opening(persona)
    exchanges = [_exchange(partner, said, bool(persona)) for partner, said in turns]
    before = [0, *accumulate(len(turn.before + turn.reply) for turn in exchanges)]
    found, first = [], 0
    for last, turn in enumerate(exchanges):
        alone = len(opening + turn.first) + max(len(turn.reply), S["room"])
        if alone > S["context"]:
            raise UnusableError(
                f"persona {shown(' '.join(persona), 60)!r} ({len(opening)} tokens), "
                f"a turn and a response need {alone} tokens, the model's context holds "
                f"{S['context']}; shorten the persona or the turn"
            )
        needed = max(len(turn.reply), room)
        while first < last:
            begin = exchanges[first]
            between = before[last] - before[first] + len(turn.before)
            given = len(opening + begin.first) - len(begin.before) + between
            if given + needed <= S["context"]:
                break
            first += 1
        ids = [*opening, *exchanges[first].first]
        for earlier, later in pairwise(exchanges[first : last + 1]):
            ids += earlier.reply + later.before
        found.append((ids + turn.reply, len(turn.reply)))
    return found


class Exchange(NamedTuple):
    """Ids of a turn."""

    first: list[int]  # before its reply, as the window's first turn
    before: list[int]  # the same, as any later turn
    reply: list[int]


def _opening(persona: Sequence[str]) -> list[int]:
    marks = S["marks"]
    ids = list(marks["persona_open"] if persona else marks["start"])
    for number, sentence in enumerate(persona):
        blank = " " if number else S["blanks"]["persona"]
        ids += _text(blank + sentence) + marks["sentence_close"]
    return ids + (marks["persona_close"] if persona else [])


def _exchange(partner: str, said: str, with_persona: bool) -> Exchange:
    marks, blanks, opens = S["marks"], S["blanks"], S["opens_user"]

    def given(mark: list[int], blank: str) -> list[int]:
        heard = mark + _text(blank + partner) + marks["user_close"] if partner or opens else []
        return heard + marks["system_open"]

    before = first = given(marks["user_open"], blanks["user"])
    if opens:  # the opening has the user's mark already
        first = given([], blanks["after_persona" if with_persona else "after_start"])
    reply = _text(blanks["reply"] + said + blanks["reply_end"])
    return Exchange(first, before, [*reply, S["closing"]])


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


def loss(model: Any, batch: Sequence[Reply], *, learn: bool = False) -> float:
    """Return the mean loss of some replies: nats per token, closing tokens counted.

    Args:
        model: as `load` returns it.
        batch: the replies.
        learn: add its gradient to the model's, reply by reply, so that one is held at a time.

    Raises:
        UnusableError: it is not finite.
    """
    tokens, total = sum(own for _, own in batch), 0.0
    for ids, own in batch:
        with torch.set_grad_enabled(learn):
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -own - 1 : -1]
            nats = cross_entropy(logits.float(), torch.tensor(ids[-own:]), reduction="sum")
        total += nats.item()
        if not isfinite(total):
            raise UnusableError(f"the loss is {total}; lower lr in personalize.json")
        if learn:
            (nats / tokens).backward()
    return total / tokens


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

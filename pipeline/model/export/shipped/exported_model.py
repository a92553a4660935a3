"""What `personalize.py` uses: load the exported start, read conversations, encode them, the loss.

`personalize.json` says how the model was trained: the marks around messages, what adapts, at which
rates. Messages are encoded apart from the marks, so a mark's name in a message is text.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer


HERE = Path(__file__).parent
S = json.loads((HERE / "personalize.json").read_text(encoding="utf-8"))
TOKENIZER = AutoTokenizer.from_pretrained(HERE)

Dialogue = tuple[list[str], list[tuple[str, str]]]  # persona, [(partner, reply), ...]
Reply = tuple[list[int], int]  # ids up to its end; how many of the last are its own


def load() -> Any:
    """Return the exported start, in eval mode: no dropout, in training neither."""
    if S["adapters"] == "bottleneck":
        from bottlenecks import load as load_bottlenecks  # type: ignore[import-not-found]

        return load_bottlenecks()
    folder = HERE / "base" if S["adapters"] else HERE
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
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


def read_person(path: Path) -> tuple[str, list[Dialogue]]:
    """Return the first person's name and dialogues of a JSON Lines file."""
    lines = [json.loads(x) for x in path.read_text(encoding="utf-8").split("\n") if x.strip()]
    person = lines[0]["person"]
    return person, [_dialogue(line) for line in lines if line["person"] == person]


def _dialogue(line: Any) -> Dialogue:
    turns, partner = [], ""
    said = [(m["role"], m["content"].strip()) for m in line["messages"] if m["content"].strip()]
    for role, of_one in groupby(said, key=lambda message: message[0]):
        text = "\n".join(content for _, content in of_one)
        if role == "assistant":
            turns.append((partner, text))
        partner = text if role == "user" else ""
    persona = [sentence.strip() for sentence in line.get("persona", []) if sentence.strip()]
    return (persona if S["persona_text"] else []), turns


def replies(dialogue: Dialogue, room: int = 0) -> list[Reply]:
    """Return each reply behind the persona and as many whole latest turns as the context holds.

    Args:
        dialogue: persona and turns.
        room: tokens that must fit in the place of any reply, e.g. a generated one.
    """
    persona, turns = dialogue
    found = []
    for end in range(1, len(turns) + 1):
        for first in range(end):
            ids, own = encode(persona, turns[first:end])
            if len(ids) - own + max(own, room) <= S["context"]:
                break
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


def loss(model: Any, batch: Sequence[Reply]) -> Tensor:
    """Return the mean loss of some replies: nats per token, closing tokens counted."""
    total = torch.zeros(())
    for ids, own in batch:
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -own - 1 : -1]
        total = total + cross_entropy(logits.float(), torch.tensor(ids[-own:]), reduction="sum")
    return total / sum(own for _, own in batch)

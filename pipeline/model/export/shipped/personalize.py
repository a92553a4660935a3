"""Adapt this model to one person: `python personalize.py CONVERSATIONS.jsonl [NEW_FILE]`.

A line: {"person": "...", "messages": [{"role": "user" | "assistant", "content": "..."}, ...],
"persona": ["..."]}. The assistant is the person; of several people the first is taken. One
conversation is held out, if there are two or more: its loss is printed before and after.
"""

import random
import sys
from pathlib import Path

import torch
from exported_model import S, load, loss, moving, read_person, replies  # type: ignore
from safetensors.torch import save_model


def main(path: str, target: str | None = None) -> None:
    """Adapt, say what it changed, and write the adapted parameters to a file."""
    person, dialogues = read_person(Path(path))
    order = list(enumerate(dialogues))
    random.Random(f"{S['seed']}/permutation/{person}").shuffle(order)
    held_out = order[: len(order) > 1]
    support = [dialogue for _, dialogue in order[len(held_out) :]]
    query = [reply for _, dialogue in held_out for reply in replies(dialogue, S["room"])]
    key = f"{person}/{held_out[0][0]}" if held_out else "all"  # seeds the order of updates
    model = load()
    optimizer = getattr(torch.optim, S["optimizer"])(moving(model), lr=S["lr"])
    for epoch in range(S["epochs"] + 1):
        if query:
            with torch.no_grad():
                print(f"held out, epoch {epoch}: {loss(model, query):.6f} nats per token")
        if epoch < S["epochs"]:
            shuffled = [*support]
            seed = f"{S['seed']}/leave_one_out/{person}/{key}/{len(support)}/order/{epoch}"
            random.Random(seed).shuffle(shuffled)
            updates = [replies(dialogue) for dialogue in shuffled]
            if size := S["batch_size"]:  # replies of an update; else a dialogue is one
                flat = [reply for update in updates for reply in update]
                updates = [flat[first : first + size] for first in range(0, len(flat), size)]
            for update in updates:
                optimizer.zero_grad()
                loss(model, update).backward()
                optimizer.step()
    if target:
        save_model(model, target)


if __name__ == "__main__":
    main(*sys.argv[1:])

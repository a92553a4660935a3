"""Adapt this model to one person: `python personalize.py CONVERSATIONS.jsonl [NEW_FILE]`.

A line: {"person": "...", "messages": [{"role": "user" | "assistant", "content": "..."}, ...],
"persona": ["..."]}. The assistant is the person; of several people `--name NAME` says who. One
conversation is held out, if there are two or more: its loss is printed before and after.
"""

import random
import sys
from argparse import ArgumentParser
from pathlib import Path

import torch
from conversations import read_person  # type: ignore
from exported_model import S, load, loss, moving, replies, require_new, save, updates  # type: ignore
from json_lines import UnusableError, shown  # type: ignore


def main(path: Path, target: Path | None, name: str | None) -> None:
    """Adapt, say what it changed, and write the adapted parameters to a file."""
    if target:
        require_new(target)
    person, dialogues, left_out = read_person(path, S["reading"], name)
    alone = "; nothing held out, so nothing measured: it takes two conversations"
    print(left_out + alone * (len(dialogues) == 1), file=sys.stderr)
    order = list(enumerate(dialogues))
    random.Random(f"{S['seed']}/permutation/{person}").shuffle(order)
    held_out = order[: len(order) > 1]
    support = [replies(dialogue) for _, dialogue in order[len(held_out) :]]
    query = [reply for _, dialogue in held_out for reply in replies(dialogue, S["room"])]
    key = f"{person}/{held_out[0][0]}" if held_out else "all"  # seeds the order of updates
    model = load()
    optimizer = getattr(torch.optim, S["optimizer"])(moving(model), lr=S["lr"])
    for epoch in range(S["epochs"] + 1):
        if query:
            print(f"held out, epoch {epoch}: {loss(model, query):.6f} nats per token")
        if epoch < S["epochs"]:
            seed = f"{S['seed']}/leave_one_out/{person}/{key}/{len(support)}/order/{epoch}"
            for update in updates(support, seed):
                optimizer.zero_grad()
                loss(model, update, learn=True)
                optimizer.step()
    if target:
        save(model, target)


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("conversations", type=Path, help="JSON Lines, a conversation a line")
    parser.add_argument("target", type=Path, nargs="?", help="a new file, of safetensors")
    parser.add_argument("--name", help="which person of several is meant")
    given = parser.parse_args()
    try:
        main(given.conversations, given.target, given.name)
    except (UnusableError, OSError) as error:
        sys.exit(f"personalize.py: {shown(error, 500)}")

"""Keys that earlier versions of params.yaml had, and what to do about each."""

MOVED = {"receiver": "p2bot.receiver", "self_play": "p2bot.self_play"}

REMOVED = {
    "finetune.next_utterance": "fine-tuning is always by language modelling alone",
    "meta_train.multi_step_loss": "the outer loss is the query's after the last inner step",
    "tasks.persona_rule": "the rule is always canonical",
}

# Of a variant.
AXES = {
    "special_tokens": "is `format` now: delete the line where it was true; write `format: plain` "
    "where it was false (a plainer format: lines that begin with A: and B:)"
}


def advice(key: str) -> str | None:
    """Return what to do about a key that an earlier version had; null for any other key.

    >>> advice("self_play.lr")
    'is p2bot.self_play.lr now; move it there'
    """
    axis = AXES.get(key.rpartition(".")[2])
    if axis is not None and (key.startswith("variants.") or "." not in key):
        return axis
    for old, new in MOVED.items():
        if key == old or key.startswith(f"{old}."):
            return f"is {new}{key.removeprefix(old)} now; move it there"
    if key == "extends":
        return "is for files of presets/; `python -m stages.preset NAME` writes a whole file"
    reason = REMOVED.get(key)
    return reason and f"is gone: {reason}; delete the line"

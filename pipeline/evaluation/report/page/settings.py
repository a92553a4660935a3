"""What was run: every parameter, and those that are not the paper's. No torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import public_text
from pipeline.evaluation.report.cells import NONE


IDLE = ("tune", "data.pretrain_sha256", "data.sha256")  # of no stage, or of a file

MAIN = (  # what the paper gives, and how much was run
    *("data.source", "base.source", "seeds", "inner_lr", "inner_steps", "inner_batch_size"),
    *("outer_lr", "outer_batch_size", "outer_steps", "meta_gradient", "train.lr"),
    *("train.batch_size", "train.steps", "finetune.lr", "finetune.batch_size", "finetune.epochs"),
    *("generate.top_p", "generate.max_new_tokens"),
)


@dataclass(frozen=True)
class Setting:
    """A parameter as it was, and as preset `paper` has it."""

    key: str
    ours: str
    paper: str

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return self.ours != self.paper


def settings(params: Mapping[str, Any], paper: Mapping[str, Any]) -> list[Setting]:
    """Return every parameter beside the paper's, in the order of params.yaml.

    A key that only one of the two has is there, too.
    """
    ours, theirs = (dict(_leaves(values)) for values in (params, paper))
    return [
        Setting(key, ours.get(key, NONE), theirs.get(key, NONE))
        for key in {**ours, **theirs}
        if not any(key == idle or key.startswith(f"{idle}.") for idle in IDLE)
    ]


def main(all_of_them: Sequence[Setting]) -> list[Setting]:
    """Return the settings that a reader looks for first."""
    by_key = {setting.key: setting for setting in all_of_them}
    return [by_key[key] for key in MAIN if key in by_key]


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _text(value)


def _text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, Mapping):  # of a list, such as a claim
        return "; ".join(f"{key}: {_text(item)}" for key, item in value.items()) or "none"
    return f"{value:g}" if isinstance(value, float) else public_text(f"{value}")

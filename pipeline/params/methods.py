"""How a variant is trained: the list of dvc.yaml that names it, and so the command that does it."""

from typing import Any

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.params.settings import read_yaml


LISTS = {"train": "trained", "meta_train": "meta_trained"}  # by method, the stage's name
ALL_LISTS = LISTS | {"p2_selfplay": "self_played"}


def method_of(name: str) -> str:
    """Return `train` or `meta_train`.

    Raises:
        ParamsError: the variant stands in none of the lists, in several, or is self-played.
    """
    found = _methods(name)
    if found == ["p2_selfplay"]:
        raise ParamsError(f"{name} is self-played; name a variant of {' or '.join(LISTS.values())}")
    if len(found) != 1:
        raise ParamsError(
            f"{artifacts.PIPELINE}: vars: {name!r} stands in {len(found)} of the lists "
            f"{' and '.join(LISTS.values())}; put it into the one that says how it is trained"
        )
    return found[0]


def made_by(name: str, seed: int) -> str | None:
    """Return the stage that trains a variant, with its arguments; null where no one list names it.

    A folder without dvc.yaml, such as a trial's, has no lists.
    """
    methods = _methods(name) if artifacts.PIPELINE.is_file() else []
    return f"{methods[0]} {name} {seed}" if len(methods) == 1 else None


def refuse_other_method(method: str, name: str, seed: int) -> None:
    """Let a stage train no variant that dvc.yaml has another stage train; that would be its row.

    Raises:
        ParamsError: another list names the variant.
    """
    command = made_by(name, seed)
    if command is not None and command != f"{method} {name} {seed}":
        own = ALL_LISTS[command.split()[0]]
        raise ParamsError(
            f"{artifacts.PIPELINE}: vars: {name!r} stands in {own}, not in {ALL_LISTS[method]}; "
            f"run `python -m stages.{command}`, or move the name"
        )


def _methods(name: str) -> list[str]:
    """Return the stages whose lists name a variant."""
    lists: dict[str, Any] = {}
    for part in read_yaml(artifacts.PIPELINE).get("vars", []):
        lists |= part if isinstance(part, dict) else {}
    return [method for method, key in ALL_LISTS.items() if name in lists.get(key, [])]

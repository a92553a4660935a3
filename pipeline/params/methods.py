"""Which stage trains a variant: the list of params.yaml that names it."""

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.params.sections.lists import LISTS, MethodsParams
from pipeline.params.settings import Settings


def method_of(name: str) -> str:
    """Return `train` or `meta_train`.

    Raises:
        ParamsError: the variant stands in no list, or is self-played.
    """
    stages = _lists_with(name)
    if not stages:
        raise ParamsError(
            f"{artifacts.PARAMS}: {name!r} stands in none of the lists "
            f"{', '.join(LISTS.values())}; put it into the one that says how it is trained"
        )
    if stages == ["p2_selfplay"]:
        raise ParamsError(
            f"{name} is self-played; name a variant of {LISTS['train']} or {LISTS['meta_train']}"
        )
    return stages[0]


def made_by(name: str, seed: int) -> str | None:
    """Return the stage that trains a variant, with its arguments; null where no list names it.

    A folder without params.yaml has no lists.
    """
    stages = _lists_with(name) if artifacts.PARAMS.is_file() else []
    return f"{stages[0]} {name} {seed}" if stages else None


def refuse_other_method(stage: str, name: str, seed: int) -> None:
    """Refuse to train a variant that another stage trains: both write the same folder.

    A variant in no list may be trained by any stage.

    Raises:
        ParamsError: the list of another stage names the variant.
    """
    command = made_by(name, seed)
    if command is not None and command != f"{stage} {name} {seed}":
        listed = LISTS[command.split()[0]]
        raise ParamsError(
            f"{artifacts.PARAMS}: {name!r} stands in {listed}, not in {LISTS[stage]}; "
            f"run `python -m stages.{command}`, or move the name"
        )


def _lists_with(name: str) -> list[str]:
    return Settings.load().view(MethodsParams).lists_with(name)

"""How a variant is trained: the list of dvc.yaml that names it, for commands outside DVC."""

from typing import Any

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.params import read_yaml


LISTS = {"train": "trained", "meta_train": "meta_trained"}  # by method, the stage's name


def method_of(name: str) -> str:
    """Return `train` or `meta_train`.

    Raises:
        ParamsError: the variant stands in none of the lists, or in both.
    """
    lists: dict[str, Any] = {}
    for part in read_yaml(artifacts.PIPELINE).get("vars", []):
        lists |= part if isinstance(part, dict) else {}
    found = [method for method, key in LISTS.items() if name in lists.get(key, [])]
    if len(found) != 1:
        raise ParamsError(
            f"{artifacts.PIPELINE}: vars: {name!r} stands in {len(found)} of the lists "
            f"{' and '.join(LISTS.values())}; put it into the one that says how it is trained"
        )
    return found[0]

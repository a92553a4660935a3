"""Changes of single values in the text of params.yaml; comments and layout stay."""

import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from pipeline import artifacts
from pipeline.errors import ParamsError, one_line, public_text, public_urls
from pipeline.params.inputs import PATH_KEYS
from pipeline.params.moved import advice
from pipeline.params.yaml_text import UNREADABLE, KindError, loaded


_UNKNOWN = "there is no such parameter"


def round_trip() -> YAML:
    """Return a reader and writer that keeps comments, layout and the spelling of numbers."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    yaml.representer.add_representer(
        type(None), lambda out, _: out.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def dumped(values: Any) -> str:
    """Return the text of values that `round_trip` read."""
    out = StringIO()
    round_trip().dump(values, out)
    return out.getvalue()


def with_values(text: str, assignments: list[str]) -> str:
    """Return the text with `KEY=VALUE`s put in force; unchanged if there are none.

    Keys are dotted paths, values YAML 1.2. A value replaces the whole value of its key.

    Raises:
        ParamsError: an assignment is not KEY=VALUE, or names a section that does not exist.
    """
    if not assignments:
        return text
    values = round_trip().load(text)
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        said = f"--set {one_line(public_urls(assignment))}"
        if not (key and equals):
            raise ParamsError(f"{said}: KEY=VALUE was expected, as in inner_lr=0.01")
        try:
            loaded(value)  # within bounds
            parsed = round_trip().load(value)
        except KindError as error:
            raise ParamsError(f"{said}: {error}") from error
        except UNREADABLE as error:
            raise ParamsError(f"{said}: the value is not YAML") from error
        if "#" in value and "#" not in f"{parsed}":
            raise ParamsError(f"{said}: # begins a comment of YAML; put the value into quotes")
        refusal = f"{said}: {advice(key) or _UNKNOWN}"
        _replace_at(values, key.split("."), parsed, refusal)
    return dumped(values)


def merge(values: Any, overlay: Any, origin: str, path: tuple[str, ...] = ()) -> None:
    """Put an overlay's values into `values`, in place.

    Mappings are merged key by key, `variants` too. Anything else, lists included, is replaced.

    Raises:
        ParamsError: names the key of the overlay that `values` does not have.
    """
    for key, value in overlay.items():
        inner = (*path, str(key))
        if isinstance(values.get(key), dict) and isinstance(value, dict):
            merge(values[key], value, origin, inner)
        elif key in values or _takes_new_keys(path):
            replace(values, key, value)
        else:
            dotted = ".".join(inner)
            raise ParamsError(f"{origin}: {dotted}: {advice(dotted) or _UNKNOWN}")


def _takes_new_keys(path: tuple[str, ...]) -> bool:
    """Say whether the mapping at a path has keys of the user's choice."""
    return path[:1] == ("variants",) or path in (("tune", "train"), ("tune", "meta_train"))


def replace(node: Any, key: str, value: Any) -> None:
    """Give a key of a mapping another value; the comments of the old one stay."""
    if isinstance(node.get(key), CommentedSeq) and isinstance(value, CommentedSeq):
        _replace_list(node, key, value)
    else:
        node[key] = value


def _replace_at(node: Any, path: list[str], value: Any, refusal: str) -> None:
    head, *rest = path
    if not isinstance(node, dict) or (rest and head not in node):
        raise ParamsError(refusal)
    if rest:
        _replace_at(node[head], rest, value, refusal)
    else:
        replace(node, head, value)


def _replace_list(node: Any, key: str, value: CommentedSeq) -> None:
    """Put the items of a list in the place of another list's, and keep the comments of the latter.

    ruamel keeps the comment beside the key with the list, and the one below with its last item.
    Written before `[]`, either breaks the YAML. So both move behind the `[]` of an empty list.
    """
    old = node[key]
    if not old:
        node[key] = value
        return
    below = old.ca.items.pop(len(old) - 1, None)
    if value:
        old[:] = value
        if below:
            old.ca.items[len(value) - 1] = below
        return
    beside = node.ca.items.pop(key, None)
    comments = [token for kept in (beside, below) if kept for token in kept if token]
    node[key] = value
    if comments:
        comments[0].value = "".join(token.value.rstrip("\n") for token in comments) + "\n"
        node.ca.items[key] = [None, None, comments[0], None]


def without_secrets(text: str) -> str:
    """Return params.yaml as it may be kept in git: of its URLs what is public, all else as it is.

    Raises:
        Exception: one of `UNREADABLE`, the text is no YAML.
    """
    values = loaded(text)
    changes = []
    for key in PATH_KEYS:
        node: Any = values
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        if isinstance(node, str) and public_text(node) != node:
            changes.append(f"{key}={public_text(node)}")
    return with_values(text, changes)


def put(text: str) -> None:
    """Write params.yaml; where it is a link to a file of the user's, that file."""
    artifacts.write_text(Path(os.path.realpath(artifacts.PARAMS)), text)

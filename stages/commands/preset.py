"""Put a preset in force as params.yaml: `python -m stages.preset NAME [--set KEY=VALUE]...`."""

from io import StringIO
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import YAMLError

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.params import Settings, read_yaml
from stages.shell import console


def _yaml() -> YAML:
    """Return a round trip that writes a preset back as it was read, comments included."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    yaml.representer.add_representer(
        type(None), lambda out, _: out.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _replace(node: Any, path: list[str], value: Any, assignment: str) -> None:
    head, *rest = path
    if not isinstance(node, dict) or (rest and head not in node):
        raise ParamsError(f"--set {assignment}: there is no such parameter")
    if rest:
        _replace(node[head], rest, value, assignment)
    elif isinstance(node.get(head), CommentedSeq) and isinstance(value, CommentedSeq):
        _replace_list(node, head, value)
    else:
        node[head] = value


def _replace_list(node: Any, key: str, value: CommentedSeq) -> None:
    """Put a list's items in the place of another's, with the comments of the latter.

    ruamel keeps the comment beside the key with the list, and the one below with its last item.
    Written before `[]`, either breaks the YAML: an empty list takes both to its own line's end.
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


def with_values(text: str, assignments: list[str]) -> str:
    """Return a preset's text with `KEY=VALUE`s put in force; unchanged if there are none.

    Keys are dotted paths, values YAML 1.2.

    Raises:
        ParamsError: an assignment is not KEY=VALUE, or names a section that does not exist.
    """
    if not assignments:
        return text
    values = _yaml().load(text)
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not (key and equals):
            raise ParamsError(f"--set {assignment}: KEY=VALUE was expected, as in inner_lr=0.01")
        try:
            parsed = _yaml().load(value)
        except YAMLError as error:
            raise ParamsError(f"--set {assignment}: the value is not YAML") from error
        _replace(values, key.split("."), parsed, assignment)
    out = StringIO()
    _yaml().dump(values, out)
    return out.getvalue()


def preset(
    name: Annotated[str, typer.Argument(help="A file of presets/, without .yaml.")],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value.")
    ] = None,
) -> None:
    """Validate a preset, changed by --set, and write it to params.yaml."""
    names = sorted(path.stem for path in artifacts.PRESETS.glob("*.yaml"))
    if name not in names:
        raise ParamsError(f"no preset {name!r}; there are: {', '.join(names) or 'none'}")
    origin = artifacts.PRESETS / f"{name}.yaml"
    read_yaml(origin)
    text = with_values(origin.read_text(encoding="utf-8"), assignments or [])
    Settings(YAML(typ="safe", pure=True).load(text), str(origin)).check()
    artifacts.write_text(artifacts.PARAMS, text)
    console.out.print(
        f"{artifacts.PARAMS}: preset {name}{_changes(assignments)}", markup=False, highlight=False
    )


def _changes(assignments: list[str] | None) -> str:
    return f" with {', '.join(assignments)}" if assignments else ""


if __name__ == "__main__":
    console.run(preset)

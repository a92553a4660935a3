"""params.yaml as read: a stage's validated view of it, errors with a key's path."""

from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.params.sections import Variant
from pipeline.params.views import SETTABLE, AllParams, StageParams


Params = TypeVar("Params", bound=StageParams)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping by YAML 1.2's rules, by which `1e-05` is a number.

    Raises:
        ParamsError: there is no such file, it is not YAML, or it is no mapping.
    """
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(
            f"{path}: not found; run from the project's root, or `python -m stages.preset embedded`"
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        first = " ".join(str(error).split())
        raise ParamsError(f"{path}: not valid YAML: {first}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: a mapping of parameters was expected")
    return values


class Settings:
    """params.yaml as read, before a stage takes its view of it."""

    known: ClassVar[frozenset[str]] = frozenset(AllParams.model_fields)

    def __init__(self, values: dict[str, Any], origin: str) -> None:
        unknown = sorted(set(values) - self.known)
        if unknown:
            allowed = ", ".join(sorted(self.known))
            raise ParamsError(f"{origin}: unknown key {unknown[0]!r}; allowed are {allowed}")
        self._values = values
        self._origin = origin

    @classmethod
    def load(cls, path: Path = artifacts.PARAMS) -> "Settings":
        """Read `path`; unknown top-level keys are refused."""
        return cls(read_yaml(path), str(path))

    def view(self, schema: type[Params], overrides: dict[str, Any] | None = None) -> Params:
        """Return the stage's validated view, with a variant's `set` put in force.

        Raises:
            ParamsError: names the key's path, the value found and what is allowed.
        """
        values = self._values
        for key, value in (overrides or {}).items():
            where = f"{self._origin}: set: {key}"
            values = _replaced(values, key.split("."), value, where)
            _refuse_idle(key, where)
        missing = [name for name in schema.model_fields if name not in values]
        if missing:
            raise ParamsError(f"{self._origin}: {missing[0]}: missing")
        return _validated(schema, {k: values[k] for k in schema.model_fields}, self._origin)

    def variant(self, name: str) -> Variant:
        """Return the axes of one variant.

        Raises:
            ParamsError: there is no such variant, or its axes do not fit together.
        """
        variants = self._values.get("variants")
        if not isinstance(variants, dict) or name not in variants:
            names = ", ".join(variants) if isinstance(variants, dict) else "none"
            raise ParamsError(f"{self._origin}: variants: no {name!r}; there are: {names}")
        return _validated(Variant, variants[name], f"{self._origin}: variants.{name}")

    def check(self) -> AllParams:
        """Validate everything, every variant's `set` and every grid included; return the whole.

        Raises:
            ParamsError: as `view`.
        """
        params = self.view(AllParams)
        for variant in params.variants.values():
            self.view(AllParams, variant.set)
        for key, values in (*params.tune.train.items(), *params.tune.meta_train.items()):
            for value in values:
                self.view(AllParams, {key: value})
        return params


def _refuse_idle(key: str, where: str) -> None:
    """Let no `set` name what is read for all variants together: its row would be another's."""
    if key.split(".")[0] not in SETTABLE:
        allowed = ", ".join(sorted(SETTABLE))
        raise ParamsError(
            f"{where}: not read for one variant alone; a `set` may hold keys of {allowed}; "
            "any other is changed for all variants, outside of `set`"
        )


def _replaced(values: dict[str, Any], path: list[str], value: object, where: str) -> dict[str, Any]:
    head, *rest = path
    if head not in values or head == "variants":
        raise ParamsError(f"{where}: there is no such parameter")
    if not rest:
        return {**values, head: value}
    if not isinstance(values[head], dict):
        raise ParamsError(f"{where}: there is no such parameter")
    return {**values, head: _replaced(values[head], rest, value, where)}


Validated = TypeVar("Validated", bound=BaseModel)


def _validated(schema: type[Validated], values: object, origin: str) -> Validated:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        found = problem["input"]
        what = f"{where}: " if where else ""
        if problem["type"] == "missing":
            raise ParamsError(f"{origin}: {what}missing") from error
        if problem["type"] == "extra_forbidden":
            raise ParamsError(f"{origin}: {what}unknown key (value {found!r})") from error
        shown = "" if isinstance(found, dict) else f", found {found!r}"
        message = problem["msg"].removeprefix("Value error, ")  # pydantic's, before our own words
        raise ParamsError(f"{origin}: {what}{message}{shown}") from error

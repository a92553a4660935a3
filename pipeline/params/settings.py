"""params.yaml as read: a stage's validated view of it, errors with a key's path."""

from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline import artifacts
from pipeline.errors import ParamsError, one_line, public_urls
from pipeline.params.inputs import refuse_inputs_in_outs
from pipeline.params.moved import advice
from pipeline.params.sections.lists import LISTS
from pipeline.params.sections.section import StageParams
from pipeline.params.sections.training import Adapters
from pipeline.params.sections.variant import Variant, checked_name
from pipeline.params.views import SAME_REPLIES, SETTABLE, AllParams, TrainParams
from pipeline.params.yaml_text import KindError, loaded, shown
from pipeline.strict_json import first_of


Params = TypeVar("Params", bound=StageParams)
Validated = TypeVar("Validated", bound=BaseModel)

_MISSING = "missing; presets/embedded.yaml has it"
_UNKNOWN = "there is no such parameter"


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping by YAML 1.2's rules, by which `1e-05` is a number.

    Raises:
        ParamsError: there is no such file, it is not YAML, or it is no mapping; or what has that
            name is no regular file: a named pipe would be waited on without end.
    """
    if path.exists() and not path.is_file():
        kind = "folder" if path.is_dir() else "pipe, socket or device"
        raise ParamsError(
            f"{path}: a regular file was expected, found a {kind}; put the file there"
        )
    try:
        return _mapping(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise ParamsError(
            f"{path}: not found; run from the project's root, or `python -m stages.preset embedded`"
        ) from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: not UTF-8 text: {error}") from error


def _mapping(text: str, origin: str) -> dict[str, Any]:
    try:
        values = loaded(text)
    except KindError as error:
        raise ParamsError(f"{origin}: {one_line(error, 400)}") from error
    except ValueError as error:
        raise ParamsError(f"{origin}: not valid YAML: {one_line(error, 400)}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{origin}: a mapping of parameters was expected")
    return values


class Settings:
    """params.yaml as read, before a stage takes its view of it."""

    known: ClassVar[frozenset[str]] = frozenset(AllParams.read_keys())

    def __init__(self, values: dict[str, Any], origin: str) -> None:
        unknown = sorted(map(str, set(values) - self.known))
        if unknown:
            allowed = advice(unknown[0]) or f"allowed are {', '.join(sorted(self.known))}"
            raise ParamsError(f"{origin}: unknown key {shown(unknown[0])}; {allowed}")
        refuse_inputs_in_outs(values, origin)
        self._values = values
        self._origin = origin

    @classmethod
    def load(cls, path: Path = artifacts.PARAMS) -> "Settings":
        """Read `path`; unknown top-level keys are refused.

        So is what can be no variant's name, by any stage: DVC makes paths of the lists' names, and
        the first stage that runs may be none that reads them.
        """
        values = read_yaml(path)
        _refuse_names(values, str(path))
        return cls(values, str(path))

    def view(self, schema: type[Params], overrides: dict[str, Any] | None = None) -> Params:
        """Return the stage's validated view, with a variant's `set` put in force.

        Raises:
            ParamsError: names the key's path, the value found and what is allowed.
        """
        values = self._values
        for key, value in (overrides or {}).items():
            where = f"{self._origin}: set: {key}"
            values = _replaced(values, key, value, where)
            _refuse_shared(key, where)
            self._refuse_other_replies(values, where)
        seen = {key: _value_at(values, key, self._origin) for key in schema.read_keys()}
        return _validated(schema, seen, self._origin)

    def _refuse_other_replies(self, values: dict[str, Any], where: str) -> None:
        """Refuse a `set` by which a variant would be scored on other replies than others are."""
        for key in SAME_REPLIES:
            own, others = (_value_at(one, key, self._origin) for one in (values, self._values))
            if own != others and not (key == "finetune.k" and _no_other_query(own, others)):
                raise ParamsError(
                    f"{where}: {key} would be {shown(own)}, which is {shown(others)} for other "
                    "variants: rows of one table are scored on the same replies; change it for all "
                    "variants, outside of `set`"
                )

    def variant(self, name: str) -> Variant:
        """Return the axes of one variant.

        Raises:
            ParamsError: there is no such variant, or its axes do not fit together.
        """
        variants = self._values.get("variants")
        if not isinstance(variants, dict) or name not in variants:
            names = ", ".join(map(str, variants)) if isinstance(variants, dict) else "none"
            raise ParamsError(
                f"{self._origin}: variants: no {shown(name)}; there are: {one_line(names, 400)}"
            )
        try:
            checked_name(name)
        except ValueError as error:
            raise ParamsError(f"{self._origin}: variants: {shown(name)}: {error}") from error
        return _validated(Variant, variants[name], f"{self._origin}: variants.{name}")

    def phi_in_use(self) -> list[Adapters]:
        """Return Φ's kind, size and place of every variant that has Φ, each once.

        A variant that cannot be read is passed over: a stage that reads it says why.
        """
        variants = self._values.get("variants")
        found: list[Adapters] = []
        for name in variants if isinstance(variants, dict) else ():
            try:
                variant = self.variant(name)
                phi = self.view(TrainParams, variant.set).adapters
            except ParamsError:
                continue
            if variant.adapters and phi not in found:
                found.append(phi)
        return found

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


def _no_other_query(own: object, others: object) -> bool:
    """Say whether K leave the dialogues behind the largest of others' K; without K there are none.

    A variant may leave Fig. 3 out, which takes most of fine-tuning's time.
    """
    if not isinstance(own, list) or not isinstance(others, list):
        return False
    return own in ([], [0]) or own[-1:] == others[-1:]


def _refuse_names(values: dict[str, Any], origin: str) -> None:
    for key in (*LISTS.values(), "scored"):
        names = values.get(key)
        for name in names if isinstance(names, list) else ():
            try:
                checked_name(name if isinstance(name, str) else "")
            except ValueError as error:
                raise ParamsError(f"{origin}: {key}: {error}, found {shown(name)}") from error


def settings_of(text: str, origin: str) -> Settings:
    """Return the settings in a text; `origin` names it in errors.

    Raises:
        ParamsError: it is not YAML or no mapping, or it has unknown top-level keys.
    """
    return Settings(_mapping(text, origin), origin)


def _value_at(values: dict[str, Any], key: str, origin: str) -> object:
    """Return the value at a dotted path."""
    value: object = values
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise ParamsError(f"{origin}: {key}: {_MISSING}")
        value = value[part]
    return value


def _refuse_shared(key: str, where: str) -> None:
    """Refuse a `set` of what is read for all variants together: it would change other variants."""
    if not any(key == own or key.startswith(f"{own}.") for own in SETTABLE):
        allowed = ", ".join(sorted(SETTABLE))
        raise ParamsError(
            f"{where}: not read for one variant alone; a `set` may hold keys of {allowed}; "
            "change any other key for all variants, outside of `set`"
        )


def _replaced(values: dict[str, Any], key: str, value: object, where: str) -> dict[str, Any]:
    """Return the values with another value at a dotted path; every part of it must exist."""
    if key.split(".")[0] == "variants":
        raise ParamsError(f"{where}: a `set` cannot change variants")
    return _replaced_at(values, key.split("."), value, f"{where}: {advice(key) or _UNKNOWN}")


def _replaced_at(node: object, path: list[str], value: object, refusal: str) -> dict[str, Any]:
    head, *rest = path
    if not isinstance(node, dict) or head not in node:
        raise ParamsError(refusal)
    return {**node, head: _replaced_at(node[head], rest, value, refusal) if rest else value}


def _validated(schema: type[Validated], values: object, origin: str) -> Validated:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise ParamsError(f"{origin}: {public_urls(_first_problem(error))}") from error


def _first_problem(error: ValidationError) -> str:
    """Say where the first problem is, what was found and what is allowed."""
    problem = first_of(error)
    key = one_line(".".join(str(part) for part in problem["loc"] if part != "[key]"))
    value = problem["input"]
    what = f"{key}: " if key else ""
    if problem["type"] == "missing":
        return f"{what}{_MISSING}"
    if problem["type"] == "extra_forbidden":
        return what + (advice(key) or f"unknown key (value {shown(value)})")
    was = "" if isinstance(value, dict) else f", found {shown(value)}"
    message = problem["msg"].removeprefix("Value error, ")  # pydantic's, before our own words
    return f"{what}{one_line(message, 400)}{was}"

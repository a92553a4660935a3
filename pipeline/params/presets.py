"""Presets: whole files of parameters, and overlays that hold only what differs from one of them.

`presets/embedded.yaml` is whole. An overlay says `extends: embedded` and then its own values
(`edit.merge` says how they are put in). So a new key or a new variant is added to embedded alone.
"""

import re
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.params.edit import dumped, merge, put, round_trip, with_values
from pipeline.params.settings import Settings, read_yaml, settings_of
from pipeline.params.yaml_text import loaded


EXTENDS = "extends"
_HEADER = re.compile(r"^# Preset `.*?(?=^[^#])", re.MULTILINE | re.DOTALL)


def preset_names(folder: Path = artifacts.PRESETS) -> list[str]:
    """Return the names of the presets, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def preset_text(name: str, folder: Path = artifacts.PRESETS) -> str:
    """Return the whole text of a preset, to be written as params.yaml.

    A whole preset's text is returned as it is. Of an overlay, the text is that of the preset that
    it extends, comments included, with the overlay's own first lines and values.

    Raises:
        ParamsError: there is no such preset; it is not YAML; an overlay names a key that does not
            exist, or extends what is not whole.
    """
    if name not in preset_names(folder):
        names = ", ".join(preset_names(folder)) or "none"
        raise ParamsError(f"no preset {name!r}; there are: {names}")
    path = folder / f"{name}.yaml"
    extended = read_yaml(path).get(EXTENDS)
    text = path.read_text(encoding="utf-8")
    return text if extended is None else _merged(text, extended, path)


def load_preset(name: str, folder: Path = artifacts.PRESETS) -> Settings:
    """Return a preset's settings, not yet validated.

    Raises:
        ParamsError: as `preset_text`; or the preset has unknown keys.
    """
    return settings_of(preset_text(name, folder), str(folder / f"{name}.yaml"))


def preset_values(name: str, folder: Path = artifacts.PRESETS) -> dict[str, Any]:
    """Return all values of a preset, not validated.

    Raises:
        ParamsError: as `preset_text`.
    """
    values: dict[str, Any] = loaded(preset_text(name, folder))
    return values


def put_in_force(name: str, assignments: list[str]) -> None:
    """Validate a preset, changed by `KEY=VALUE`s, and write it to params.yaml.

    Raises:
        ParamsError: as `preset_text` and `with_values`; or a value is impossible. params.yaml then
            stays as it was.
    """
    text = with_values(preset_text(name), assignments)
    settings_of(text, str(artifacts.PRESETS / f"{name}.yaml")).check()
    put(text)


def _merged(text: str, extended: object, path: Path) -> str:
    """Return the extended preset's text with an overlay's header and values."""
    whole = path.with_name(f"{extended}.yaml")
    if not whole.is_file() or EXTENDS in read_yaml(whole):
        raise ParamsError(
            f"{path}: {EXTENDS}: a whole preset was expected, such as embedded, found {extended!r}"
        )
    overlay = round_trip().load(text)
    del overlay[EXTENDS]
    values = round_trip().load(_with_header_of(text, whole.read_text(encoding="utf-8")))
    merge(values, overlay, str(path))
    return dumped(values)


def _with_header_of(overlay: str, whole: str) -> str:
    """Return the whole text with the overlay's comment about itself in the place of its own."""
    header = _HEADER.search(overlay)
    return _HEADER.sub(lambda _: header[0], whole, count=1) if header else whole

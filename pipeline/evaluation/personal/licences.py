"""The licences of an export: of what the model was made from, not of what params.yaml names now."""

from pathlib import Path

from pipeline import artifacts
from pipeline.errors import ModelError, one_line
from pipeline.evaluation.personal.start import PRETRAINED, base_facts, data_source, pretrain_text
from pipeline.model.base.weights import weight_files
from pipeline.model.export.licence import Licence, licence_beside
from pipeline.params.inputs import place_of


_OURS = "made by this project's own program (MIT)"
_BY_PATH = {"folder": "a folder", "gguf": "a .gguf file"}  # as stage `base` writes them


def licences(base: str, data: str) -> dict[str, Licence]:
    """Return the licences of base and data.

    Args:
        base: `base.source`: where to look, if the weights there are those that the base has.
        data: `data.source`: where to look, if the tasks are of something of that name.
    """
    return {"base": _of_base(base), "data": _of_data(data)}


def _of_base(given: str) -> Licence:
    facts = base_facts()
    source = facts.get("source")
    if source == PRETRAINED:
        return Licence(f"that of what it was pre-trained on: {pretrain_text(facts)}", found=True)
    if source not in _BY_PATH:
        return _unknown(one_line(source or "the base"))
    if facts.get("weights_sha256") == _weights(place_of(given, "base.source")):
        return licence_beside(given)
    return _unknown(f"{_BY_PATH[source]} with other weights than `base.source` has now")


def _of_data(given: str) -> Licence:
    source = data_source()
    if source == "synthetic":
        return Licence(_OURS, found=True)
    path = place_of(given, "data.source")
    if path.exists() and source in (one_line(path.name), one_line(path.resolve().name)):
        return licence_beside(given)
    return _unknown("the data" if source == "not known" else source)


def _weights(path: Path) -> dict[str, str]:
    try:
        files = weight_files(path) if path.is_dir() else [path] if path.is_file() else []
    except ModelError:  # no base can be made from it
        return {}
    return {file.name: artifacts.sha256_of(file) for file in files}


def _unknown(source: str) -> Licence:
    return Licence(f"not known here; see where {source!r} comes from", found=False)

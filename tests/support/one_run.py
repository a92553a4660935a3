"""What files under `metrics/` say they were made from, in projects that tests put together."""

import json
from pathlib import Path

from pipeline import artifacts
from pipeline.strict_json import SEAL


INPUTS = {"tasks": "0" * 64, "base": "1" * 64}
PREDICTIONS = "3" * 64


def scored_from(variant: str, **changes):
    """The `made_from` of a variant's details."""
    said = {"variant": variant, "params": {}, "predictions": PREDICTIONS, "models": {}}
    return INPUTS | said | changes


MEASURED_FROM = INPUTS | {"oracle": None}


def say_one_run(root: Path) -> None:
    """Let every file of metrics/details say that it belongs to what the folder holds."""
    inputs = {"tasks": digest(root / artifacts.TASKS), "base": digest(root / artifacts.BASE)}
    predictions = {}
    for path in (root / artifacts.DETAILS).glob("*.json"):
        content = json.loads(path.read_text())
        if "headline" in content:
            kshot = root / artifacts.kshot_file(path.stem)
            models = {p.name[5:]: digest(p) for p in root.glob(f"models/{path.stem}/seed-*")}
            predictions[path.stem] = digest(root / artifacts.predictions_file(path.stem))
            said = scored_from(path.stem, predictions=predictions[path.stem], models=models)
            write(path, made_from=said | inputs, kshot_csv=digest(kshot))
        if path.name == artifacts.FLOORS.name:
            write(path, made_from=MEASURED_FROM | inputs)
    if (comparison := root / artifacts.COMPARISON).is_file():
        write(comparison, made_from=inputs | {"params": {}, "predictions": predictions})


def digest(path: Path) -> str:
    """The digest of what is there, or that of nothing."""
    return artifacts.sha256_of(path) if path.exists() else "0" * 64


def write(path: Path, **changes) -> None:
    """Change some fields of a JSON file, as another run of its stage would; the seal is new."""
    content = json.loads(path.read_text())
    is_sealed = content.pop(SEAL, None) is not None
    (artifacts.write_sealed if is_sealed else artifacts.write_json)(path, content | changes)

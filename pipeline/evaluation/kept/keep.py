"""Write a study's folder from a run's, or slim it in place. No torch.

A run's folder holds `params.yaml`, `metrics/`, `models/` and `tuning/`, as the working tree does.
A study's holds `params.yaml`, `comparison.json`, `floors.json`, a details file of each variant in
`metrics/`, the sums of each person in `sums/`, Fig. 3's points in `kshot/`, the validations of each
training run in `history/`, and what the runs cost in `runs.json`.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline import artifacts
from pipeline.artifacts import Content
from pipeline.errors import DataError, ParamsError, one_line
from pipeline.evaluation.kept.folder import (
    COPIED,
    MADE,
    RUNS,
    refuse_foreign,
    refuse_kept_runs,
    refuse_loss,
)
from pipeline.evaluation.kept.one_run import (
    refuse_other_models,
    refuse_other_runs_in,
    refuse_other_support_in,
)
from pipeline.evaluation.kept.slim import (
    asked,
    existing,
    of_file,
    slim_comparison,
    slim_details,
    slim_history,
)
from pipeline.evaluation.kept.sums import persona_sums
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.number_table import (
    HISTORY,
    KSHOT,
    SUMS,
    Kind,
    made_again_by,
    read_text,
)
from pipeline.model.files.variant_record import TrainingRun
from pipeline.params import read_yaml
from pipeline.params.edit import without_secrets
from pipeline.params.inputs import own_file
from pipeline.params.sections.lists import LISTS
from pipeline.strict_json import SEAL


def keep(run: Path, study: Path) -> None:
    """Write what is kept of a finished run into a study's folder.

    The study's other files stay: its `about.md`, its trials.

    Raises:
        DataError: the run has no `params.yaml`, nothing was scored, or its files are of two runs;
            or the study is of kept runs, has something else under a name that this writes, or has
            more of a row than the run has.
    """
    refuse_kept_runs(study)
    if not (run / artifacts.PARAMS).is_file():
        raise DataError(f"{run / artifacts.PARAMS}: not found; a run's folder was expected")
    params = _Params.of(run)
    refuse_other_runs_in(run, params.scored)
    refuse_foreign(study)
    models = [path.with_name("variant.json") for _, path in _runs(run, params)]
    refuse_other_models(run, [path for path in models if path.is_file()])
    with artifacts.atomic_path(study) as folder:
        folder.mkdir()
        text = own_file(run / artifacts.PARAMS, run).read_text(encoding="utf-8")
        artifacts.write_text(folder / artifacts.PARAMS, without_secrets(text))
        _metrics(run, folder, params)
        for source, target in COPIED.items():
            _copy(run, existing(run / source, run / target), folder / target)
        _histories(run, folder, params)
        refuse_loss(run, study, folder, params.seeds)
        for path in sorted(study.glob("*")):
            if path.name not in MADE:
                _copy_all(path, folder / path.name)


@dataclass(frozen=True)
class _Params:
    """What of `params.yaml` says which files are the run's own."""

    trained: frozenset[str]
    scored: frozenset[str]
    seeds: frozenset[int]
    asked: frozenset[frozenset[str]]  # pairs of variants

    @classmethod
    def of(cls, run: Path) -> "_Params":
        path = run / artifacts.PARAMS
        params = read_yaml(path)
        try:
            trained = frozenset(name for key in LISTS.values() for name in params[key])
            return cls(
                trained, frozenset(params["scored"]), frozenset(params["seeds"]), asked(params)
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ParamsError(
                f"{path}: {one_line(error)}: {', '.join(LISTS.values())}, scored, seeds and "
                "compare.claims were expected as presets/embedded.yaml has them"
            ) from error


def _metrics(run: Path, folder: Path, params: _Params) -> None:
    details = existing(run / artifacts.DETAILS, run / "metrics")
    contents = {
        path.stem: content
        for path in sorted(details.glob("*.json"))
        if "headline" in (content := artifacts.read_json(own_file(path, run), made_by="score"))
        and (details.name == "metrics" or path.stem in params.scored)
    }
    if not contents:
        raise DataError(f"{details}: no variant was scored there; nothing to keep")
    for name, content in contents.items():
        path = details / f"{name}.json"
        _write(folder / "metrics" / f"{name}.json", of_file(slim_details, content, path), path)
        _sums(run, folder, name)
        points = existing(run / artifacts.kshot_file(name), run / "kshot" / f"{name}.csv")
        _copy_table(run, points, folder / "kshot" / f"{name}.csv", KSHOT, f"score {name}")
        support = existing(run / artifacts.support_file(name), run / "support" / f"{name}.json")
        refuse_other_support_in(run, support, name)
        _copy(run, support, folder / "support" / f"{name}.json")
    comparison = existing(run / artifacts.COMPARISON, run / "comparison.json")
    if comparison.is_file():
        content = artifacts.read_json(own_file(comparison, run), made_by="compare")
        _write(
            folder / "comparison.json",
            of_file(slim_comparison, content, comparison, params.asked),
            comparison,
        )


def _sums(run: Path, folder: Path, name: str) -> None:
    """Keep the sums of each person and seed: from the run's predictions, or as a study has them."""
    target = Path("sums") / f"{name}.csv"
    predictions = run / artifacts.predictions_file(name)
    if not predictions.is_file():
        _copy_table(run, run / target, folder / target, SUMS, f"finetune {name}")
        return
    made_by = f"finetune {name}"
    records = artifacts.read_records(predictions, Prediction, made_by=made_by)
    artifacts.write_text(folder / target, persona_sums(records))


def _copy(run: Path, source: Path, target: Path) -> None:
    """Copy a JSON file of a run, which may be missing, in this project's format."""
    if source.is_file():
        _write(target, artifacts.read_json(own_file(source, run), made_by="score"), source)


def _copy_table(run: Path, source: Path, target: Path, kind: Kind, stage: str) -> None:
    """Copy a CSV file of a run, which may be missing, as it is; `stage` makes it again."""
    if source.is_file():
        text = read_text(own_file(source, run), kind, remedy=made_again_by(stage))
        artifacts.write_text(target, text)


def _write(target: Path, content: Content, source: Path) -> None:
    """Write what was made of a file; with a seal where that file has one."""
    write = artifacts.write_sealed if SEAL.encode() in source.read_bytes() else artifacts.write_json
    write(target, content)


def _copy_all(source: Path, target: Path) -> None:
    """Copy a file or folder of the user's as it is; a link stays a link."""
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _histories(run: Path, folder: Path, params: _Params) -> None:
    """Keep the validations of each training run, and one list of all `variant.json`."""
    records = []
    for name, path in _runs(run, params):
        table = read_text(own_file(path, run), HISTORY, remedy=made_again_by(f"train {name}"))
        text = slim_history(table)
        artifacts.write_text(folder / "history" / f"{name}.csv", text)
        record = existing(path.with_name("variant.json"), path.with_suffix(".json"))
        if record.is_file():
            values = artifacts.read_json(own_file(record, run), made_by="train")
            records.append({key: values[key] for key in TrainingRun.model_fields if key in values})
    if records:
        artifacts.write_sealed(folder / RUNS, {"runs": records})
    else:
        _copy(run, run / RUNS, folder / RUNS)


def _runs(run: Path, params: _Params) -> list[tuple[str, Path]]:
    """Return every training run's name, `VARIANT-seed-SEED`, and its history."""
    if not (run / artifacts.MODELS).is_dir():
        return [(path.stem, path) for path in sorted((run / "history").glob("*.csv"))]
    names = sorted(params.trained | {artifacts.receiver_dir(0).parent.name})
    folders = [artifacts.model_dir(name, seed) for name in names for seed in sorted(params.seeds)]
    files = [run / folder / "history.csv" for folder in folders]
    return [("-".join(path.parts[-3:-1]), path) for path in files if path.is_file()]

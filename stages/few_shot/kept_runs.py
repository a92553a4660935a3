"""What a study keeps of runs that have shots: of each its sums, trials, and its own parameters."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline import artifacts
from pipeline.atomic import refuse_foreign
from pipeline.errors import DataError, ParamsError
from pipeline.evaluation.few_shot.rates_file import rates_belonging, rates_made
from pipeline.evaluation.few_shot.shots import WAYS, ShotSums
from pipeline.evaluation.kept.one_run import made_of_inputs
from pipeline.evaluation.report.samples.few_shot import FewShotReplies, greedy_alone
from pipeline.evaluation.schemas.adapted_from import (
    AdaptedFrom,
    adapted,
    is_untold,
    made_of_adapted,
)
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.schemas.made_from import Belonging, refuse_other_runs
from pipeline.model.files.variant_record import VariantFile
from pipeline.params import Settings
from pipeline.params.inputs import own_file, refuse_target
from pipeline.params.stated import Made, refuse_other_params
from pipeline.params.views import AllParams
from stages.few_shot import kept_trials
from stages.few_shot.kept_params import CHANGES, KeptParams, recover, run_folders, without_paths
from stages.shell import console
from stages.shell.one_run import made_of_run


# Of each run, and their endings.
PARTS = {"shots": ".json", kept_trials.PART: ".csv", "replies": ".json"}


def keep_all(names: Mapping[Path, str], study: Path) -> None:
    """Keep runs in the study, each under a name of its own.

    Args:
        names: of the runs' folders.
        study: its folder.

    Raises:
        ParamsError: two runs would have one name; or as `keep`.
        DataError: as `keep`.
    """
    first: dict[str, Path] = {}
    for run, name in names.items():
        if (other := first.setdefault(name, run)) != run:
            raise ParamsError(
                f"{other} and {run}: both would be kept as {study / 'runs' / name}; give one of "
                "them, or rename one of two"
            )
        if run.resolve() == study.resolve():
            raise ParamsError(f"--study {study}: the run itself; name a folder of its own")
    refuse_target(study, "--study")
    recover(study)
    if any(study.glob("metrics/*.json")):
        raise ParamsError(
            f"--study {study}: has metrics that `study keep` wrote, so its {artifacts.PARAMS} may "
            "be those of the run that has these; name another folder"
        )
    for run, name in names.items():
        keep(run, study, name)


def keep(run: Path, study: Path, name: str) -> None:
    """Copy what is kept of a run into the study, in the place of what was kept before.

    Raises:
        ParamsError: there is no run, stages write into the study's folder or above it, or that
            folder is not a study's.
        DataError: what was kept before has something that the run lacks, or is the run itself; a
            file of the run is damaged, or a link out of it; or its sums or replies are of other
            tasks, models or of another base than the run has, or were made with other parameters.
    """
    params = run / artifacts.PARAMS
    if not params.is_file():
        raise ParamsError(f"{params}: not found; a run's folder was expected")
    refuse_target(study, "--study")
    text = without_paths(own_file(params, run))
    belonging = [*_belonging(run)]
    refuse_other_runs(belonging, run)
    settings = Settings.load(params)
    refuse_other_params(settings, _made(run, belonging), params)
    console.note(_untold(run))
    files = kept_trials.without_others(_files(run), run, settings, belonging)
    kept_params = KeptParams(study, name, text)
    target = study / "runs" / name
    refuse_foreign(target, own=(*PARTS, CHANGES))
    for part, ending in PARTS.items():
        expected = [path.name for path in (target / part).glob(f"*{ending}")]
        refuse_foreign(target / part, own=expected)
    _refuse_loss(run, target, files)
    with artifacts.atomic_path(target) as folder:
        folder.mkdir(parents=True)
        for path in files:
            own = folder / path.parent.name / path.name
            own.parent.mkdir(exist_ok=True)
            _copy(path, own)
        kept_params.prepare(folder)
    kept_params.replace()


def _made(run: Path, belonging: Sequence[Belonging]) -> list[Made]:
    """Return what a run's inputs, models, sums and replies were made with."""
    made = made_of_inputs(run)
    for model in sorted({path for one in belonging for path in one.digests}):
        path = run / model / "variant.json"
        if path.is_file():
            again = f"train {model.parent.name} {model.name.removeprefix('seed-')}"
            made.append(replace(made_of_run(read(path, VariantFile, made_by=again)), file=path))
    for path, said in _adapted_from(run):
        also = ["generate"] if path.parent.name == "replies" else []
        controls = ["cache"] if path.parent.name == "shots" and _sums(path).cached else []
        made += made_of_adapted(path, _command(path), said, also, controls)
    for path in kept_trials.rates_of(_files(run)):
        made += rates_made(path)
    return made


def _untold(run: Path) -> str:
    """Return a note on the run's older files of which nobody can tell how they were made."""
    files = [path for path, said in _adapted_from(run) if is_untold(said, run)]
    files += kept_trials.untold(_files(run))
    if not files:
        return ""
    return (
        f"{run}: {', '.join(path.relative_to(run).as_posix() for path in files)}: of an older "
        "version, so the parameters that made them are not known, and are taken to be those of "
        f"{run / artifacts.PARAMS}; `python -m stages.{_command(files[0])}` makes one anew"
    )


def _adapted_from(run: Path) -> Iterator[tuple[Path, AdaptedFrom | None]]:
    """Yield a run's sums and replies, with what they say that they were made from."""
    for path in _files(run):
        if path.parent.name == "shots":
            yield path, _sums(path).made_from
        elif path.parent.name == "replies":
            yield path, _replies(path).made_from


def _command(path: Path) -> str:
    if path.parent.name == kept_trials.PART:
        return kept_trials.command(path)
    return f"{path.parent.name} {path.stem}"


def _belonging(run: Path) -> Iterator[Belonging]:
    """Yield what a run's sums, replies and trials of rates belong to."""
    for path, said in _adapted_from(run):
        yield adapted(path, _command(path), said, path.stem)
    for path in kept_trials.rates_of(_files(run)):
        yield from rates_belonging(path)


def _replies(path: Path) -> FewShotReplies:
    return read(path, FewShotReplies, made_by=f"replies {path.stem}")


def _copy(path: Path, target: Path) -> None:
    """Copy a file; of replies only the greedy ones, since a sample of a model may be anything."""
    part = path.parent.name
    if part == "replies":
        artifacts.write_sealed(target, greedy_alone(_replies(path)).content())
    elif part == kept_trials.PART:
        artifacts.write_text(target, kept_trials.checked_text(path))
    else:
        shutil.copyfile(path, target)


def _files(run: Path) -> list[Path]:
    paths = [path for part, end in PARTS.items() for path in sorted((run / part).glob(f"*{end}"))]
    return [own_file(path, run) for path in paths if path.is_file()]


def _refuse_loss(run: Path, kept_before: Path, files: Sequence[Path]) -> None:
    """Refuse to drop what was kept before of a run that has it no longer.

    To keep it beside the run's new files would be wrong, too: it may be of other parameters.
    """
    there = {path.relative_to(run) for path in files}
    kept_alone = [
        path for path in _files(kept_before) if path.relative_to(kept_before) not in there
    ]
    if kept_alone:
        first = kept_alone[0].relative_to(kept_before)
        raise DataError(
            f"{kept_alone[0]}: kept before, but {run} has no {first} of its own ({len(kept_alone)} "
            "such files); copy them into the run if they are its, else remove them from the study"
        )
    for path in _files(kept_before):
        if path.parent.name == "shots":
            _refuse_loss_of_sums(run / path.relative_to(kept_before), path)


def _refuse_loss_of_sums(path: Path, kept_before: Path) -> None:
    """Refuse sums of another run of that name, or of fewer seeds, K or ways than were kept."""
    try:
        before = _sums(kept_before)
    except DataError:  # damaged, so there is nothing to lose
        return
    anew = _sums(path)
    if (theirs := before.made_from) and (own := anew.made_from):
        others = [name for name in ("base", "tasks") if vars(theirs)[name] != vars(own)[name]]
        if others:
            raise DataError(
                f"{kept_before}: kept before, of another {' and other '.join(others)} than {path}; "
                f"rename the run's folder, or remove {kept_before.parents[1]} from the study"
            )
    if seeds := sorted({*before.seeds} - {*anew.seeds}):
        raise DataError(
            f"{kept_before}: kept before, with seeds {seeds}, which {path} lacks; rename the run's "
            f"folder, or remove {kept_before.parents[1]} from the study"
        )
    lost = [f"{way}, K = {k}" for way in WAYS for k in before.by(way) if k not in anew.by(way)]
    if lost:
        raise DataError(
            f"{kept_before}: kept before, with sums by {lost[0]} ({len(lost)} such), which {path} "
            f"lacks; add them by `python -m stages.{_command(path)}` and its options, or remove "
            "the kept file from the study"
        )


def _sums(path: Path) -> ShotSums:
    return read(path, ShotSums, made_by=f"shots {path.stem}")


def kept(study: Path) -> tuple[AllParams, list[Path]]:
    """Return the study's parameters and the folders of its kept runs.

    Raises:
        ParamsError: stages write into the study's folder or above it.
        DataError: there is none.
    """
    refuse_target(study, "--study")
    recover(study)
    folders = run_folders(study)
    if not folders:
        raise DataError(f"{study / 'runs'}: no run is kept there; name the folders of runs")
    return Settings.load(study / artifacts.PARAMS).check(), folders

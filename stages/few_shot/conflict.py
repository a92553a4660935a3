"""Study `conflict`: several runs, one for each setting of the dial: `python -m stages.conflict`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError, one_line
from pipeline.evaluation.few_shot.kept_sums import kept_sums
from pipeline.evaluation.few_shot.rates_file import used_rates
from pipeline.evaluation.few_shot.same_replies import refuse_other_replies
from pipeline.evaluation.few_shot.short_prompts import Fit
from pipeline.evaluation.few_shot.shots import ShotSums, shots_file
from pipeline.evaluation.kept.slim import rounded_content
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.studies.conflict import Gain, Rows, curve, picture
from pipeline.params import Settings
from pipeline.params.inputs import json_with, refuse_others_file
from stages.few_shot.kept_params import changes, run_params
from stages.few_shot.kept_runs import keep_all, kept
from stages.shell import console


STUDY = artifacts.STUDIES / "conflict"
OWN = ("data.synthetic.conflict", "finetune.by_k")  # of a setting: the dial, rates chosen on valid
SEED = 0
SAMPLES = 10_000  # bootstrap draws over people


def conflict(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of runs, one for each setting; none: those that are kept."),
    ] = None,
    study: Annotated[Path, typer.Option(help="The study's folder.")] = STUDY,
) -> None:
    """Keep the runs' sums and trials in the study; write the curve and its picture."""
    refuse_others_file(study / "curve.json", "--study", json_with(("gains", "levels")))
    refuse_others_file(study / "gain.svg", "--study", lambda old: b"<svg" in old)
    keep_all({run: _dial(run) for run in runs or ()}, study)
    params, folders = kept(study)
    settings = {_setting(folder): _rows(folder, params.scored) for folder in folders}
    found = curve(settings, Bootstrap(SAMPLES, SEED))
    found = found.model_copy(update={"shots": kept_sums(study)})
    artifacts.write_sealed(study / "curve.json", rounded_content(found.content()))
    artifacts.write_text(study / "gain.svg", picture(found))
    console.say(f"{study / 'curve.json'}: {len(settings)} settings, {found.tests} tests")
    for note in Fit(found.short_prompts).notes():
        console.note(f"{study}: {note}")
    for note in filter(None, (one.note for one in used_rates(study))):
        console.note(f"{study}: {note}")
    _tell_other_params(study, [folder.name for folder in folders])
    for one in found.gains:
        if one.verdict is not None:
            console.say(f"  {_shown(one)}")


def _tell_other_params(study: Path, names: Sequence[str]) -> None:
    """Say what else than the dial two settings differ in, as far as the study knows."""
    known = {name: found for name in names if (found := run_params(study, name)) is not None}
    for name, values in [*known.items()][1:]:
        first = next(iter(known))
        keys = (key for key, _ in changes(known[first], values) if not key.startswith(OWN))
        if differing := ", ".join(keys):
            console.note(
                f"{study}: settings {first} and {name} differ in {one_line(differing)}, too; so "
                "the curve is not of the dial alone"
            )


def _shown(one: Gain) -> str:
    low, high = one.gain.crossed_low, one.gain.crossed_high
    between = "" if low is None or high is None else f" [{low:.4f}, {high:.4f}]"
    what = f"{one.meta} ahead of {one.normal} by {one.gain.value:.4f}{between}"
    return f"{one.conflict}, K = {one.k}: {what}, {one.verdict}"


def _dial(run: Path) -> str:
    """Return the run's setting of the dial, which names what is kept of it."""
    params = run / artifacts.PARAMS
    if not params.is_file():
        raise ParamsError(f"{params}: not found; a run's folder was expected")
    return f"{Settings.load(params).check().data.synthetic.conflict}"


def _setting(folder: Path) -> float:
    """Return the setting of the dial that a kept run's folder is named after.

    Raises:
        DataError: the name is no number from 0 to 1.
    """
    try:
        setting = float(folder.name)
    except ValueError:
        setting = -1.0
    if not 0 <= setting <= 1:
        raise DataError(
            f"{one_line(folder)}: a folder named after its setting of data.synthetic.conflict, a "
            "number from 0 to 1, was expected; move it elsewhere, or give the run's folder to "
            "`python -m stages.conflict`"
        )
    return setting


def _rows(folder: Path, names: Sequence[str]) -> Rows:
    """Return a run's rows in the order of Table 1."""
    made_by = "shots VARIANT"
    files = {name: folder / shots_file(name) for name in names}
    rows = {
        name: read(path, ShotSums, made_by=made_by)
        for name, path in files.items()
        if path.is_file()
    }
    refuse_other_replies(rows, folder)
    return rows


if __name__ == "__main__":
    console.run(conflict)

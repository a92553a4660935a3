"""A run's claims, answered by its shots: `python -m stages.shot_tests RUN... --study FOLDER`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.few_shot.kept_sums import kept_sums
from pipeline.evaluation.few_shot.rates_file import used_rates
from pipeline.evaluation.few_shot.same_replies import refuse_other_replies
from pipeline.evaluation.few_shot.short_prompts import Fit
from pipeline.evaluation.few_shot.shot_answers import ShotTest, Side
from pipeline.evaluation.few_shot.shot_tests import shot_tests
from pipeline.evaluation.few_shot.shots import IN_WORDS, ShotSums, shots_file
from pipeline.evaluation.kept.slim import rounded_content
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.params import CompareParams, Settings, read_yaml
from pipeline.params.inputs import json_with, refuse_others_file
from stages.few_shot.kept_params import run_folders, run_params
from stages.few_shot.kept_runs import keep_all, kept
from stages.shell import console


FILE = "shot_tests.json"
TEXT = ("start_text", "start")  # preset `smollm2`'s names


def shot_tests_command(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of runs; their rows are compared. None: those kept."),
    ] = None,
    *,
    study: Annotated[Path, typer.Option(help="The study's folder.")],
) -> None:
    """Keep the runs' sums in the study; test the claims of their params.yaml."""
    refuse_others_file(study / FILE, "--study", json_with(("tests", "levels")))
    names = {run: run.resolve().name for run in runs or ()}
    others = [folder for folder in run_folders(study) if folder.name not in names.values()]
    _refuse_two_rows_of_one_name([*names, *others])
    keep_all(names, study)
    params, folders = kept(study)
    rows = {
        name: read(path, ShotSums, made_by=f"shots {name}")
        for name in params.scored
        for path in [folder / shots_file(name) for folder in folders]
        if path.is_file()
    }
    if not rows:
        raise DataError(f"{study}: no run there has shots; run `python -m stages.shots VARIANT`")
    refuse_other_replies(rows, study)
    compare = params.compare
    found = shot_tests(
        rows,
        compare.claims,
        margin=compare.margin,
        bootstrap=Bootstrap(compare.permutations, compare.seed),
        text=TEXT,
    )
    found = found.model_copy(update={"shots": kept_sums(study)})
    artifacts.write_sealed(study / FILE, rounded_content(found.content()))
    console.say(f"{study / FILE}: {len(rows)} rows, {found.personas} people")
    _tell_who_asks_otherwise(study, folders)
    fit = Fit(found.short_prompts)
    for test in found.tests:
        console.say(f"  {_shown(test, fit)}")
    for note in fit.notes():
        console.note(f"{study}: {note}")
    for note in filter(None, (one.note for one in used_rates(study))):
        console.note(f"{study}: {note}")


def _refuse_two_rows_of_one_name(folders: Sequence[Path]) -> None:
    first: dict[str, Path] = {}
    paths = [path for folder in folders for path in sorted(folder.glob("shots/*.json"))]
    for path in filter(Path.is_file, paths):
        other = first.setdefault(path.stem, path)
        if other.read_bytes() != path.read_bytes():
            raise DataError(
                f"{other} and {path}: two rows of one name; give these runs studies of their own, "
                "or one variant another name"
            )


def _tell_who_asks_otherwise(study: Path, folders: Sequence[Path]) -> None:
    """Say which kept runs ask other questions than the one kept last, whose alone are answered."""
    known = {folder.name: run_params(study, folder.name) for folder in folders}
    asked = {name: _asked(values, study, folders) for name, values in known.items() if values}
    answered = _asked(read_yaml(study / artifacts.PARAMS), study, folders)
    own = [name for name, values in asked.items() if values == answered]
    of_run = f", that of {' and '.join(own)}," if own else ""
    for name, values in asked.items():
        if differing := "; ".join(_differences(values, answered)):
            console.note(
                f"{study}: answered as its {artifacts.PARAMS}{of_run} asks; run {name} asks "
                f"otherwise: {differing}"
            )


def _differences(theirs: Mapping[str, Any], answered: Mapping[str, Any]) -> Iterator[str]:
    for key, value in theirs.items():
        ours = answered[key]
        if not isinstance(value, set):
            yield from [f"{key} {value}, not {ours}"] if value != ours else []
        elif value != ours:
            parts = {"with": value - ours, "without": ours - value}
            told = (f"{word} {', '.join(sorted(part))}" for word, part in parts.items() if part)
            yield f"{key} {' and '.join(told)}"


def _asked(values: Mapping[str, Any], study: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """Return what a run's params.yaml asks of the rows that are kept."""
    read_keys = {key: values[key] for key in CompareParams.read_keys() if key in values}
    params = Settings(read_keys, f"{study / artifacts.PARAMS}").view(CompareParams)
    compare = params.compare
    rows = {path.stem for folder in folders for path in folder.glob("shots/*.json")}
    rows &= {*params.scored}
    claims = [claim for claim in compare.claims if {claim.a, claim.b} <= rows]
    return {
        "scored": rows,
        "compare.claims": {f"{claim.a} - {claim.b} ({claim.question})" for claim in claims},
        "compare.margin": compare.margin,
        "compare.permutations": compare.permutations,
        "compare.seed": compare.seed,
    }


def _shown(test: ShotTest, fit: Fit) -> str:
    one = test.difference
    over_people, over_both = (one.low, one.high), (one.crossed_low, one.crossed_high)
    low, high = over_people if one.crossed_low is None else over_both
    between = "" if low is None or high is None else f" [{low:.4f}, {high:.4f}]"
    what = "gain of " if test.family == "claims_of_gains" else ""
    sides = f"{what}{_name(test.a, fit)} - {what}{_name(test.b, fit)}"
    return f"{sides}: {one.value:.4f}{between}, {test.answer}"


def _name(side: Side, fit: Fit) -> str:
    fitting = fit.words(side.row, side.k, side.way)
    return f"{side.row}, K = {side.k}{IN_WORDS[side.way]}{fitting}"


if __name__ == "__main__":
    console.run(shot_tests_command)

"""DVC stage `report`: the page, tables and figures in one folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.evaluation.report.files import FIGURES, FOR_PAPERS, INDEX, OWN, OWN_FIGURES, files
from pipeline.evaluation.report.page.findings import BaseFacts, Findings, TasksSummary
from pipeline.evaluation.report.samples.sampled import Shown, sampled
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.schemas.comparison import Comparison, refuse_other_variants
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.floors import Floors
from pipeline.evaluation.schemas.made_from import compared, measured, refuse_other_runs
from pipeline.evaluation.schemas.number_table import HISTORY, KSHOT, made_again_by, read_text
from pipeline.model.files.variant_record import VariantFile
from pipeline.params import ReportParams, Settings, preset_names, preset_values, read_yaml
from pipeline.params.methods import made_by
from pipeline.persona.task.record import PersonaTask
from stages.shell import console, one_run
from stages.shell.in_force import refuse_edited, scored_with_files
from stages.shell.progress.shown import progress


PAPER = "paper"  # the preset of the paper's values


def report() -> None:
    """Write report/: index.html, Table 1 in three formats, figures, points for DVC's plots."""
    _refuse_foreign()
    settings = Settings.load()
    params = settings.view(ReportParams)
    findings = _findings(params)
    _refuse_other_runs(findings, settings)
    with progress("report", len(FOR_PAPERS), unit="figures") as advance:
        written = files(replace(findings, shown=_shown(findings)), advance)
    _refuse_foreign()  # what came while figures were drawn
    refuse_edited(params, Settings.load().view(ReportParams))
    refuse_edited(findings.params, read_yaml(artifacts.PARAMS))
    refuse_edited(findings.paper, _paper(), artifacts.PRESETS / f"{PAPER}.yaml")
    with artifacts.atomic_path(artifacts.REPORT) as folder:
        for name, content in written.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    size = f"{len(written[INDEX]) / 1e6:.1f} MB"
    console.wrote(artifacts.REPORT / INDEX, size, "open it in a browser")


def _refuse_foreign() -> None:
    artifacts.refuse_foreign(artifacts.REPORT, own=OWN)
    artifacts.refuse_foreign(artifacts.REPORT / FIGURES, own=OWN_FIGURES)


def _findings(params: ReportParams) -> Findings:
    there = scored_with_files(artifacts.KSHOT, ".csv", params.scored, made_by="score VARIANT")
    names = [name for name in params.scored if name in there]
    details = {n: _details(n) for n in names}
    return Findings(
        tasks=read(artifacts.TASKS_SUMMARY, TasksSummary, made_by="tasks"),
        base=read(artifacts.BASE_FACTS, BaseFacts, made_by="base"),
        details=details,
        kshot={n: _points(n) for n in names},
        floors=read(artifacts.FLOORS, Floors, made_by="floors", must_be_sealed=True),
        comparison=read(artifacts.COMPARISON, Comparison, made_by="compare", must_be_sealed=True),
        params=read_yaml(artifacts.PARAMS),
        paper=_paper(),
        runs=_runs(params),
        histories=_histories(params),
    )


def _paper() -> dict[str, Any]:
    """Return the paper's values; none where its preset is not there."""
    return preset_values(PAPER) if PAPER in preset_names() else {}


def _details(name: str) -> Details:
    path = artifacts.details_file(name)
    return read(path, Details, made_by=f"score {name}", must_be_sealed=True)


def _points(name: str) -> str:
    """Return the content of a variant's points of Fig. 3."""
    return read_text(artifacts.kshot_file(name), KSHOT, remedy=made_again_by(f"score {name}"))


def _shown(findings: Findings) -> Shown:
    """Return contexts and responses for the page; none where predictions are missing."""
    epochs = {name: one.headline.epoch for name, one in findings.details.items()}
    if not all(artifacts.predictions_file(name).is_file() for name in epochs):
        return findings.shown
    path = artifacts.tasks_file("test")
    return sampled(artifacts.read_records(path, PersonaTask, made_by="tasks"), epochs)


def _refuse_other_runs(findings: Findings, settings: Settings) -> None:
    """Refuse files of different runs, or of other data, models and parameters than are there."""
    runs = [run for of_variant in findings.runs.values() for run in of_variant]
    refuse_other_runs(
        [
            *one_run.of_runs(runs),
            *one_run.of_predictions(findings.details),
            *one_run.of_details(findings.details),
            measured(findings.floors.made_from),
            compared(findings.comparison.made_from),
        ]
    )
    refuse_other_variants(findings.comparison.variants, findings.details, artifacts.COMPARISON)
    one_run.refuse_other_params(
        settings, runs=runs, details=findings.details, comparison=findings.comparison
    )


def _runs(params: ReportParams) -> dict[str, list[VariantFile]]:
    """Return what each variant's training runs cost, those that self-play starts from included."""
    runs: dict[str, list[VariantFile]] = {}
    for (name, seed), path in _of_runs("variant.json", params):
        run = read(path, VariantFile, made_by=_again(name, seed))
        runs.setdefault(run.name, []).append(run)
    return runs


def _histories(params: ReportParams) -> dict[tuple[str, int], str]:
    """Return the content of each training run's history, by variant and seed."""
    return {
        (name, seed): read_text(path, HISTORY, remedy=made_again_by(_again(name, seed)))
        for (name, seed), path in _of_runs("history.csv", params)
    }


def _again(name: str, seed: int) -> str:
    receiver = artifacts.receiver_dir(seed).parent.name
    return (
        f"{receiver} {seed}" if name == receiver else made_by(name, seed) or f"train {name} {seed}"
    )


def _of_runs(file: str, params: ReportParams) -> list[tuple[tuple[str, int], Path]]:
    """Return a file of every training run there is, of the variants and seeds in force."""
    receiver = artifacts.receiver_dir(0).parent.name
    names = sorted({receiver, *params.trained, *params.meta_trained, *params.self_played})
    runs = [
        ((name, seed), artifacts.model_dir(name, seed)) for name in names for seed in params.seeds
    ]
    return [(run, folder / file) for run, folder in runs if (folder / file).is_file()]


if __name__ == "__main__":
    console.run(report)

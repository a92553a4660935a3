"""DVC stage `report`: tables, paired tests and figures in one folder."""

from collections.abc import Mapping
from pathlib import Path

from pipeline import artifacts
from pipeline.evaluation.report import figures
from pipeline.evaluation.report.document import document
from pipeline.evaluation.report.findings import BaseFacts, Findings, TasksSummary, facts
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.schemas.comparison import Comparison
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.floors import Floors
from pipeline.evaluation.schemas.made_from import compared, measured, refuse_other_runs
from pipeline.model.files.variant_record import VariantFile
from pipeline.params import ReportParams, Settings
from stages.shell import console, one_run
from stages.shell.scored import scored_with_files


INDEX = "index.md"


def report() -> None:
    """Write report/index.md and its pictures: tables, paired tests, Fig. 3, training curves."""
    params = Settings.load().view(ReportParams)
    findings = _findings(params)
    _refuse_other_runs(findings)
    histories = _of_runs("history.csv", params)
    curves = [
        picture
        for path in histories
        for picture in figures.training(_run(path), path.read_text(encoding="utf-8")).items()
    ]
    pictures = {
        "Fig. 3": figures.figure_3(findings.kshot),
        "Gain over epochs": figures.gains(findings.details),
        "Training": dict(curves),
    }
    with artifacts.atomic_path(artifacts.REPORT) as folder:
        folder.mkdir()
        for svgs in pictures.values():
            for file, svg in svgs.items():
                (folder / file).write_text(svg, encoding="utf-8")
        shown = {heading: list(svgs) for heading, svgs in pictures.items() if svgs}
        (folder / INDEX).write_text(document(findings, shown), encoding="utf-8")
        tables = {name: findings.kshot[name] for name in params.scored if name in findings.kshot}
        (folder / artifacts.REPORT_KSHOT.name).write_text(_by_variant(tables), encoding="utf-8")
    console.out.print(f"{artifacts.REPORT / INDEX}: {len(findings.details)} variants")


def _by_variant(tables: Mapping[str, str]) -> str:
    """Return all variants' CSV files as one, with a first column `variant`, for DVC's plots."""
    lines = ["variant," + next(iter(tables.values())).splitlines()[0]]
    lines += [f"{name},{line}" for name in tables for line in tables[name].splitlines()[1:]]
    return "\n".join(lines) + "\n"


def _findings(params: ReportParams) -> Findings:
    names = scored_with_files(artifacts.KSHOT, ".csv", params.scored, made_by="score VARIANT")
    return Findings(
        facts=facts(
            read(artifacts.TASKS_SUMMARY, TasksSummary, made_by="tasks"),
            read(artifacts.BASE_FACTS, BaseFacts, made_by="base"),
        ),
        details={n: read(artifacts.details_file(n), Details, made_by=f"score {n}") for n in names},
        kshot={n: artifacts.kshot_file(n).read_text(encoding="utf-8") for n in names},
        floors=read(artifacts.FLOORS, Floors, made_by="floors"),
        comparison=read(artifacts.COMPARISON, Comparison, made_by="compare"),
        runs=_runs(params),
    )


def _refuse_other_runs(findings: Findings) -> None:
    """Refuse files of different runs, or of other data and models than are there."""
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
    one_run.refuse_other_variants(findings.comparison, findings.details, artifacts.COMPARISON)


def _runs(params: ReportParams) -> dict[str, list[VariantFile]]:
    """Return what each variant's training runs cost, those that self-play starts from included."""
    runs: dict[str, list[VariantFile]] = {}
    for path in _of_runs("variant.json", params):
        run = read(path, VariantFile, made_by="train")
        runs.setdefault(run.name, []).append(run)
    return runs


def _of_runs(file: str, params: ReportParams) -> list[Path]:
    """Return a file of every training run there is, of the variants and seeds in force."""
    folders = [artifacts.receiver_dir(seed) for seed in params.seeds]
    folders += [
        artifacts.model_dir(name, seed)
        for name in (*params.trained, *params.meta_trained, *params.self_played)
        for seed in params.seeds
    ]
    return sorted(folder / file for folder in folders if (folder / file).is_file())


def _run(path: Path) -> str:
    """Name a training run by its folder: VARIANT-seed-SEED."""
    return "-".join(path.parts[-3:-1])


if __name__ == "__main__":
    console.run(report)

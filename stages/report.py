"""DVC stage `report`: tables, paired tests and figures in one folder."""

from collections.abc import Mapping
from pathlib import Path

from pipeline import artifacts
from pipeline.evaluation.report import figures
from pipeline.evaluation.report.document import document
from pipeline.evaluation.report.inputs import Base, Comparison, Findings, ShotDetails, Tasks
from pipeline.evaluation.report.parsing import parse
from pipeline.evaluation.report.rows import Details
from pipeline.model.variant.record import VariantFile
from pipeline.params import ReportParams, Settings
from stages.shell import console
from stages.shell.rows import scored_with_files


INDEX = "index.md"


def report() -> None:
    """Write report/index.md and its pictures: tables, paired tests, Fig. 3, training curves."""
    params = Settings.load().view(ReportParams)
    found = _findings(params)
    histories = _of_runs("history.csv", params)
    curves = [
        picture
        for path in histories
        for picture in figures.training(_run(path), path.read_text(encoding="utf-8")).items()
    ]
    pictures = {
        "Fig. 3": figures.figure_3(found.kshot),
        "Gain over epochs": figures.gains(found),
        "Training": dict(curves),
    }
    with artifacts.atomic_path(artifacts.REPORT) as folder:
        folder.mkdir()
        for svgs in pictures.values():
            for file, svg in svgs.items():
                (folder / file).write_text(svg, encoding="utf-8")
        shown = {heading: list(svgs) for heading, svgs in pictures.items() if svgs}
        (folder / INDEX).write_text(document(found, shown), encoding="utf-8")
        tables = {name: found.kshot[name] for name in params.scored if name in found.kshot}
        (folder / artifacts.REPORT_KSHOT.name).write_text(_by_variant(tables), encoding="utf-8")
    console.out.print(f"{artifacts.REPORT / INDEX}: {len(found.details)} variants")


def _by_variant(tables: Mapping[str, str]) -> str:
    """Return all variants' CSV files as one, with a first column `variant`, for DVC's plots."""
    lines = ["variant," + next(iter(tables.values())).splitlines()[0]]
    lines += [f"{name},{line}" for name in tables for line in tables[name].splitlines()[1:]]
    return "\n".join(lines) + "\n"


def _findings(params: ReportParams) -> Findings:
    names = scored_with_files(artifacts.KSHOT, ".csv", params.scored, made_by="score VARIANT")
    files = {name: artifacts.details_file(name) for name in names}
    contents = {n: artifacts.read_json(f, made_by=f"score {n}") for n, f in files.items()}
    content = artifacts.read_json(artifacts.COMPARISON, made_by="compare")
    compared = parse(Comparison, content, artifacts.COMPARISON)
    return Findings(
        facts=_facts(),
        details={name: parse(Details, contents[name], files[name]) for name in names},
        shots={n: parse(ShotDetails, contents[n], files[n]).k_shot for n in names},
        kshot={n: artifacts.kshot_file(n).read_text(encoding="utf-8") for n in names},
        floors=artifacts.read_json(artifacts.FLOORS, made_by="floors"),
        tests=compared.tests,
        others=compared.families.others,
        alpha=compared.alpha,
        adaptation_tests=compared.adaptation.tests,
        runs=_runs(params),
    )


def _runs(params: ReportParams) -> dict[str, list[VariantFile]]:
    """Return what each variant's training runs cost, those that self-play starts from included."""
    runs: dict[str, list[VariantFile]] = {}
    for path in _of_runs("variant.json", params):
        content = artifacts.read_json(path, made_by="train")
        run = parse(VariantFile, content, path)
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


def _facts() -> list[str]:
    """Say what data and base the numbers are of."""
    summary = artifacts.read_json(artifacts.TASKS_SUMMARY, made_by="tasks")
    splits = parse(Tasks, summary, artifacts.TASKS_SUMMARY).splits
    personas = ", ".join(f"{splits[split].personas} {split}" for split in artifacts.SPLITS)
    base = parse(
        Base, artifacts.read_json(artifacts.BASE_FACTS, made_by="base"), artifacts.BASE_FACTS
    )
    size = f"φ has {base.num_parameters:,} parameters"
    if base.pretraining is None:
        return [f"Personas: {personas}.", f"{size} (source: {base.source})."]
    return [
        f"Personas: {personas}.",
        f"{size} and was pre-trained here on {base.pretraining.tokens:,} tokens; held-out "
        f"perplexity {base.pretraining.ppl_per_token:.2f} per token, "
        f"unigrams {base.pretraining.ppl_unigram_per_token:.2f}.",
    ]


if __name__ == "__main__":
    console.run(report)

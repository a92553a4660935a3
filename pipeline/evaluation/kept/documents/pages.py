"""The documents that are made of kept studies: each study's README, and docs/results.md. No torch.

Templates are Jinja's. A template asks for a number by its study, and the number is read from the
study's files. A study may be a stranger's: its template gets at these numbers and at nothing else.
"""

import re
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline import artifacts
from pipeline.errors import DataError, PipelineError, one_line
from pipeline.evaluation.kept.documents import curve, shot_tables, tables
from pipeline.evaluation.kept.documents.quote import Quote, Quoted
from pipeline.evaluation.kept.documents.wrap import wrapped
from pipeline.evaluation.kept.folder import ABOUT
from pipeline.evaluation.kept.one_run import refuse_no_run_of_preset
from pipeline.evaluation.kept.study import EMBEDDED, Study, study_of
from pipeline.evaluation.report import tables as report
from pipeline.evaluation.report.charts.figures import figure_3, order
from pipeline.evaluation.report.charts.files import svg
from pipeline.evaluation.report.rows import in_order
from pipeline.evaluation.report.table import markdown
from pipeline.evaluation.schemas.number_table import KSHOT, made_again_by, read_text
from pipeline.params.inputs import leads_out


TEMPLATE = artifacts.STUDIES / "results.md.j2"
RESULTS = Path("docs/results.md")
FRONT = Path("README.md")
PICTURE = Path("docs/fig3.svg")
PICTURED = ("transfer", "adapters", "in_place", "extra_place")  # more lines hide each other
MADE_FROM = "Made from this folder's files by `python -m stages.study readme"  # in each README
GLOBALS = ("range", "dict")  # of Jinja's own names in templates: range has a bound in the sandbox
# What a template may ask something of. A study's own objects would open and write files.
ASKED = (Quote, Quoted, shot_tables.ShotQuote, str, list, tuple, dict, LoopContext, StrictUndefined)
LETTERS = 1 << 20  # of a document, at most
BLOCK = re.compile(r"(<!-- (\{\{.*?\}\}) -->\n).*?(<!-- end -->)", re.DOTALL)


def results(root: Path) -> str:
    """Return docs/results.md.

    Raises:
        DataError: the working tree's metrics are of several runs, or of another than the embedded.
    """
    refuse_no_run_of_preset(root, EMBEDDED)
    path = root / TEMPLATE
    return wrapped(_render(template(path), path, _context(root)))


def picture(root: Path) -> str:
    """Return docs/fig3.svg: Fig. 3 of the embedded run, for a few variants."""
    files = {name: root / artifacts.kshot_file(name) for name in PICTURED}
    charts = figure_3(
        {
            name: read_text(file, KSHOT, remedy=made_again_by(f"score {name}"))
            for name, file in files.items()
        }
    )
    return svg(charts, order(PICTURED))


def filled(text: str, origin: Path, root: Path) -> str:
    """Return a document with the blocks filled that say how they are made.

    A block starts with a comment that holds an expression and ends with a comment that says `end`.
    """
    context = _context(root)
    return BLOCK.sub(
        lambda block: f"{block[1]}\n{_render(block[2], origin, context)}\n\n{block[3]}", text
    )


def names(root: Path) -> list[str]:
    """Return the studies that have a README."""
    return sorted(path.parent.name for path in (root / artifacts.STUDIES).glob(f"*/{ABOUT}"))


def readme(root: Path, name: str) -> str:
    """Return a study's README: what its `about.md` says, then its tables.

    Raises:
        DataError: there is no `about.md`, or it asks for what the study does not have.
    """
    study = study_of(root, name)
    about = study.folder / ABOUT
    if not about.is_file():
        raise DataError(f"{about}: not found; say there what was asked and how to run it again")

    def run_again(command: str = "dvc repro") -> str:
        return again(study, command)

    context = _context(root) | {"this": Quote(study), "again": run_again}
    text = wrapped(_render(template(about), about, context)).strip()
    note = f"{MADE_FROM} {name}`."
    return "\n\n".join([text, *_sections(study), note]) + "\n"


def again(study: Study, command: str = "dvc repro") -> str:
    """Return the commands that run a study again, and what is to be filled in before.

    Args:
        study: the study.
        command: what runs it once its parameters are in force.
    """
    copy = f"cp studies/{study.name}/params.yaml params.yaml"
    lines = ["```sh", copy, command, "```"]
    data = study.params["data"]
    if "PATH" in (data["source"], data["pretrain"]):
        lines += ["", "Before the second command give your data for `PATH` in `params.yaml`."]
    return "\n".join(lines)


def _sections(study: Study) -> list[str]:
    """Return the tables that a study has files for, each below its heading."""
    tests = study.comparison
    levels = tables.levels(study) if study.details else ""
    adapted = markdown(report.adaptation(study.details))
    sections = {
        "## Table 1": [levels, _brackets(study)],
        "## Adaptation": [adapted, "Nats per token, closing tokens counted." if adapted else ""],
        "## Ranking": [tables.rankings(study)],
        "## Training seeds": [markdown(report.over_seeds(study.details))],
        "## Questions": [tables.claims(study.asked()) if tests else ""],
        "## Perplexity by K (Fig. 3)": [tables.kshot(study)],
        "## What training cost": [tables.costs(study)],
        "## Trials on valid": [tables.trials(study)],
        "## Parameters of the runs": [tables.runs(study)],
        **curve.sections(study),
        **shot_tables.sections(study),
    }
    return [
        part
        for heading, parts in sections.items()
        if any(parts)
        for part in [heading, *_family(study, heading), *parts]
        if part
    ]


def _brackets(study: Study) -> str:
    personas = {one.counts.personas for one in study.details.values()}
    counts = " or ".join(f"{count}" for count in sorted(personas))
    return f"Brackets are 95 % intervals over {counts} test personas." if personas else ""


def _family(study: Study, heading: str) -> list[str]:
    """Say over how many tests the p-values of the questions are corrected."""
    if heading != "## Questions" or study.comparison is None:
        return []
    kinds = (study.comparison.families, study.comparison.adaptation.families)
    levels, adaptation = (
        next((family.tests for name, family in kind.items() if name != "others"), 0)
        for kind in kinds
    )
    more = f" and over {adaptation} tests of adaptation" if adaptation else ""
    left_out = "Tests by Hits@1 and F1 that tell nothing apart are left out."
    return [f"Holm's correction is over {levels} tests of levels{more}. {left_out}"]


def _study(root: Path, name: str) -> Study:
    if name == EMBEDDED:
        refuse_no_run_of_preset(root, EMBEDDED)
    return study_of(root, name)


def _context(root: Path) -> dict[str, Any]:
    """Return what templates may call."""
    get = cache(partial(_study, root))

    def study(name: str) -> Quote:
        return Quote(get(name))

    def summary(name: str, variants: Sequence[str] | None = None) -> str:
        study = get(name)
        return tables.summary(study, in_order(study.details) if variants is None else variants)

    def kshot(name: str, variants: Sequence[str] | None = None) -> str:
        return tables.kshot(get(name), variants)

    def rankings(name: str, variants: Sequence[str] | None = None) -> str:
        return tables.rankings(get(name), variants)

    def studies() -> list[tuple[str, str]]:
        return [(name, _title(get(name).folder / ABOUT)) for name in names(root)]

    def floors(name: str) -> str:
        return tables.floors(get(name))

    return {
        "study": study,
        "studies": studies,
        "summary": summary,
        "kshot": kshot,
        "rankings": rankings,
        "floors": floors,
        "paper": tables.paper,
        "quoted": tables.quoted,
    }


def _title(about: Path) -> str:
    return template(about).partition("\n")[0].removeprefix("# ")


def template(path: Path) -> str:
    """Return a template's text.

    Raises:
        DataError: it is not UTF-8, or a link out of its folder: the document would hold a file of
            the user's.
    """
    if leads_out(path, path.parent):
        raise DataError(f"{path}: a link out of its folder; put the text itself there")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not UTF-8 text; write the file as UTF-8"
        ) from error


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja without code and files."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, ASKED) and super().is_safe_attribute(obj, attr, value)


def _render(text: str, origin: Path, context: dict[str, Any]) -> str:
    environment = _Sandbox(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.globals = {name: environment.globals[name] for name in GLOBALS}
    try:
        made = environment.from_string(text).render(context)
    except PipelineError:
        raise
    except Exception as error:  # whatever a template may raise
        raise DataError(f"{origin}: {type(error).__name__}: {one_line(error)}") from error
    if len(made) > LETTERS:
        raise DataError(f"{origin}: makes {len(made)} letters; at most {LETTERS} were expected")
    return made

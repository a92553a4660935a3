"""Put the page together: all that was found, the charts, the template. No torch."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.evaluation.report import paired_tests, tables
from pipeline.evaluation.report.charts.chart import Chart
from pipeline.evaluation.report.charts.draw import Order
from pipeline.evaluation.report.page import controls, leaks, overview
from pipeline.evaluation.report.page.drawn import drawn
from pipeline.evaluation.report.page.findings import Findings, facts
from pipeline.evaluation.report.page.keys import keys
from pipeline.evaluation.report.page.samples import samples
from pipeline.evaluation.report.page.settings import main, settings
from pipeline.evaluation.report.rows import table_1, titles
from pipeline.evaluation.report.samples.strangers import visible
from pipeline.evaluation.schemas.comparison import Comparison
from pipeline.params.stated import portable


HERE = Path(__file__).parent
Charts = Mapping[str, Sequence[Chart]]  # by section: fig3, more, gains, training


def page(findings: Findings, charts: Charts, order: Order) -> str:
    """Return the whole page as HTML; the same findings give the same text.

    Args:
        findings: what the stages wrote.
        charts: by the section that they stand in.
        order: the number of every row that a chart has.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"breakable": _breakable, "visible": visible}
    template = environment.get_template("page.html.j2")
    return template.render(_parts(findings) | _drawings(charts, order) | _own_files())


def _breakable(name: str) -> Markup:
    """Return a name that may be broken after an underscore."""
    return Markup("_<wbr>").join(name.split("_"))


def _parts(findings: Findings) -> dict[str, Any]:
    details, compared = findings.details, findings.comparison
    settings_ = settings(portable(findings.params), findings.paper)
    return {
        "facts": facts(findings.tasks, findings.base),
        "shows": overview.shows(findings),
        "does_not_show": overview.does_not_show(findings),
        "settings": settings_,
        "compared_with_paper": bool(findings.paper),
        "main_settings": main(settings_),
        "differing": [one for one in settings_ if one.differs],
        "titles": titles(),
        "table_1": tables.levels(details, findings.floors),
        "notes": [(r.title, r.note) for r in table_1({}) if r.kind == "quoted" and r.note],
        "claims": paired_tests.claims(compared),
        "adaptation": tables.adaptation(details),
        "persona_worth": controls.text_worth(details),
        "recovered_by_k": controls.recovered_by_k(details),
        "warnings": tables.warnings(details),
        "samples": samples(findings.shown),
        "heads": tables.heads(details),
        "over_seeds": tables.over_seeds(details),
        "costs": tables.costs(findings.runs),
        "in_context": tables.in_context(details),
        "short_prompts": tables.short_prompts(details),
        "leaks": leaks.leaks(findings.tasks),
        "leaks_checked": leaks.checked(findings.tasks),
        "others": _others(compared),
        "other_headings": ["first", "second", *paired_tests.HEADINGS],
        "test_cells": paired_tests.cells,
    }


def _others(compared: Comparison) -> tuple[str, list[Any]]:
    said, apart = paired_tests.others(compared.tests, compared.families.others, compared.alpha)
    return said, list(apart)


def _drawings(charts: Charts, order: Order) -> dict[str, Any]:
    rows = {
        section: sorted({row for one in some for row in one.rows}, key=lambda row: order[row])
        for section, some in charts.items()
    }
    return {
        "charts": {section: drawn(some, order) for section, some in charts.items()},
        "keys": {section: keys(names, order) for section, names in rows.items()},
    }


def _own_files() -> dict[str, Any]:
    """Return the style sheet and the script, and the digests that let them alone be used."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return {
        "style": Markup(style),
        "script": Markup(script),
        "script_digest": b64encode(sha256(script.encode()).digest()).decode(),
    }

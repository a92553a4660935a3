"""Table 1 here beside that of a git revision: `python -m stages.table --compare REV`."""

from collections.abc import Iterator, Mapping

from rich import box
from rich.table import Table
from ruamel.yaml.error import YAMLError

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.evaluation.report.cells import interval
from pipeline.evaluation.report.compared import Levels, Pair, compared, summary
from pipeline.evaluation.report.formats import FORMATS, TABLE_1
from pipeline.evaluation.schemas.base import parse
from pipeline.evaluation.schemas.details import Details
from pipeline.params.yaml_text import loaded
from pipeline.strict_json import opened, strict_loads
from stages.commands.git_files import Revision
from stages.shell import console


def beside(here: Mapping[str, Details], name: str) -> None:
    """Print both tables side by side.

    Args:
        here: what was scored in the work tree, by variant.
        name: of the revision.

    Raises:
        ParamsError: there is no such revision.
        DataError: the revision has no details of any variant, or they are not such.
    """
    there = _there(Revision(name))
    rows = compared(here, there)
    if not console.out.is_terminal:
        console.out.width = console.WIDE
    shown = Table(
        title=f"Table 1 here, and below at {one_line(name)}; ≠ marks what differs in any digit",
        title_justify="left",
        box=box.SIMPLE,
        pad_edge=False,
    )
    shown.add_column("system", overflow="fold")
    for metric in TABLE_1:
        shown.add_column(FORMATS[metric].heading, justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(row.title, *(_cell(row.pairs[m], FORMATS[m].digits) for m in TABLE_1))
    console.out.print(shown)
    console.out.print(summary(rows, one_line(name)), markup=False, highlight=False)
    for what in _others(here, there):
        console.note(f"{one_line(name)}: of other {what} than here")


def _cell(pair: Pair, digits: int) -> str:
    here, there = (interval(one, digits, brackets="()") for one in (pair.here, pair.there))
    return f"{here}\n{'≠ ' if pair.differs else ''}{there}"


def _others(here: Mapping[str, Details], there: Mapping[str, Levels]) -> Iterator[str]:
    """Yield which inputs a revision's rows were made from that are not those of the rows here."""
    for what in ("tasks", "base"):
        ours = {getattr(one.made_from, what) for one in here.values()}
        theirs = {getattr(one.made_from, what) for one in there.values()} - {None}
        if theirs - ours:
            yield what


def _scored(revision: Revision) -> set[str] | None:
    """Return the rows that a revision's `params.yaml` names; null where it names none.

    Git may have details of other runs beside them, such as those that came with the project.
    """
    try:
        scored = loaded(revision.read(artifacts.PARAMS).decode())["scored"]
    except (DataError, YAMLError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return {f"{name}" for name in scored} if isinstance(scored, list) else None


def _there(revision: Revision) -> dict[str, Levels]:
    """Return what a revision scored, by variant."""
    found, scored = {}, _scored(revision)
    for name in revision.names(artifacts.DETAILS, ".json"):
        if scored is not None and name not in scored:
            continue
        path = artifacts.details_file(name)
        origin = f"{one_line(revision.name)}: {path}"
        try:
            content = strict_loads(revision.read(path))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{origin}: not JSON ({one_line(error)})") from error
        if isinstance(content, dict) and "headline" in content:  # not the floors, not the tests
            remedy = "check out that revision again"
            found[name] = parse(Levels, opened(content, origin, remedy), origin)
    if not found:
        raise DataError(f"{one_line(revision.name)}: no variant was scored at that revision")
    return found

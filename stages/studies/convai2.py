"""ConvAI2's validation set: floors beside quoted systems, `python -m stages.convai2 PATH`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, cast

import typer
from rich import box
from rich.table import Table

from pipeline import artifacts
from pipeline.evaluation.report.published import Published, quoted_on
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.studies.convai2 import VALIDATION, ZERO_SHOT, measure, read_tasks
from stages.shell import console


SEED = 0
SAMPLES = 10_000  # bootstrap draws over personas
WIDE = 134  # columns, where the output is no terminal
FLOORS = {
    "random": "Random ranker",
    "tfidf": "TF-IDF ranker: persona and partner",
    "tfidf_persona": "TF-IDF ranker: persona",
    "tfidf_partner": "TF-IDF ranker: partner",
    "constant_reply": "Constant reply",
    "frequent_words": "Frequent words",
}
METRICS = ("ppl", "hits_at_1", "f1")
DECODED = {"ppl": "ppl", "hits_at_1": "hits_at_1", "f1": "greedy_f1"}  # as the others decode


def convai2(
    path: Annotated[
        Path,
        typer.Argument(
            help="Archive or folder with Persona-chat's text files, ConvAI2's own in it."
        ),
    ],
    valid: Annotated[
        list[str] | None,
        typer.Option(help="Splits that hold validation personas; valid and test if none is given."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The result.")] = artifacts.CONVAI2,
) -> None:
    """Score rankers and constant replies on ConvAI2's official candidates."""
    of_valid = [*(valid or VALIDATION)]
    train, evaluated = (read_tasks(path, those, seed=SEED) for those in (["train"], of_valid))
    found = measure(train, evaluated, Bootstrap(SAMPLES, SEED))
    sha256 = artifacts.sha256_of(path)
    artifacts.write_json(out, {"sha256": sha256, **found})
    if not console.out.is_terminal:
        console.out.width = WIDE
    console.out.print(_table(found, _zero_shot(sha256, of_valid)))
    console.out.print(f"{out}: {found['counts']}")


def _zero_shot(sha256: str, splits: Sequence[str]) -> dict[str, Mapping[str, object]]:
    """Return what `stages.zero_shot` measured on the same personas; say which files it did not."""
    scores, others = {}, []
    for path in sorted(ZERO_SHOT.glob("*.json")):
        content = artifacts.read_json(path, made_by=f"zero_shot {path.stem}")
        its_splits = cast(Sequence[str], content.get("splits", []))
        if content.get("sha256") == sha256 and sorted(its_splits) == sorted(splits):
            scores[path.stem] = cast(Mapping[str, object], content["metrics"])
        else:
            others.append(path.stem)
    if others:
        console.out.print(
            f"Left out, scored on other files or splits than these: {', '.join(others)} in "
            f"{ZERO_SHOT}; `python -m stages.zero_shot` scores them again.",
            soft_wrap=True,
        )
    return scores


def _table(found: Mapping[str, object], zero_shot: Mapping[str, Mapping[str, object]]) -> Table:
    shown = Table(
        title="ConvAI2's validation set: measured here, with 95 % intervals over personas; quoted",
        title_justify="left",
        box=box.SIMPLE,
        pad_edge=False,
    )
    shown.add_column("system", no_wrap=True)
    for heading in ("ppl ↓", "Hits@1 % ↑", "F1 % ↑", "personas, tokenizer, unit of ppl"):
        shown.add_column(heading)
    for name, title in FLOORS.items():
        scores = cast(Mapping[str, object], found[name])
        shown.add_row(
            title, *(_measured(scores.get(metric)) for metric in METRICS), "measured here"
        )
    shown.add_section()
    for name, scores in zero_shot.items():
        measured = (_measured(scores.get(metric)) for metric in DECODED.values())
        shown.add_row(f"{name}, zero-shot", *measured, "per token, closing token counted")
    shown.add_section()
    for row in quoted_on("ConvAI2", "valid"):
        shown.add_row(
            f"quoted: {row.title}", *(_quoted(row, metric) for metric in METRICS), _how(row)
        )
    return shown


def _measured(score: object) -> str:
    if not isinstance(score, Mapping):
        return "–"
    low, high = score["low"], score["high"]
    interval = "" if low is None else f" ({low:.2f}, {high:.2f})"
    return f"{score['value']:.2f}{interval}"


def _quoted(row: Published, metric: str) -> str:
    value = getattr(row, metric)
    return "–" if value is None else str(value)


def _how(row: Published) -> str:
    parts = (row.personas, row.tokenizer, row.ppl_unit if row.ppl else None, row.quoted_from)
    return "; ".join(part for part in parts if part)


if __name__ == "__main__":
    console.run(convai2)

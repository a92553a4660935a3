"""A trained variant as a folder for `transformers`: `python -m stages.export VARIANT FOLDER`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.atomic import only_run
from pipeline.errors import ModelError
from pipeline.evaluation.personal.adapted import adapt_to, require_person_fits
from pipeline.evaluation.personal.card import CardFacts, model_card
from pipeline.evaluation.personal.licences import licences
from pipeline.evaluation.personal.start import Start, data_source, load_start
from pipeline.model.base.load import load_base
from pipeline.model.export.auto_tokenizer import is_read_otherwise
from pipeline.model.export.folder import Exported, write_export
from pipeline.model.export.licence import Licence
from pipeline.params import Settings
from pipeline.params.inputs import refuse_target
from stages.shell import console
from stages.shell.progress.shown import progress
from stages.talk.person import Name, PersonFile, person_of


def export(
    variant: Annotated[str, typer.Argument(help="A trained variant.")],
    folder: Annotated[Path, typer.Argument(help="A folder that is empty, or not there yet.")],
    person: PersonFile = None,
    name: Name = None,
    seed: Annotated[int, typer.Option(help="Training seed.")] = 0,
) -> None:
    """Write a variant, adapted to a person if one is given, for use without this project."""
    refuse_target(folder, "FOLDER")
    folder = folder.resolve()
    with only_run(folder):
        _refuse_occupied(folder)
        _export(folder, variant, person, name, seed)


def _refuse_occupied(folder: Path) -> None:
    """Refuse a folder that holds something; one may come while a person is adapted to."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ModelError(f"{folder}: there already, and not empty; name another folder")


def _export(folder: Path, variant: str, person: Path | None, name: str | None, seed: int) -> None:
    start = load_start(variant, seed)
    adapted = _adapted(start, person, name) if person else start
    params = Settings.load().check()
    found = licences(params.base.source, params.data.source)
    made = Exported(
        adapted.learner,
        start.record.adapters,
        load_base(artifacts.BASE),
        start.params,
        None if person else start.epochs,
        params.data,
        found,
    )
    with artifacts.atomic_path(folder) as partial:
        partial.mkdir()
        write_export(made, partial)
        otherwise = is_read_otherwise(partial)
        facts = _facts(start, found, person, read_otherwise=otherwise)
        artifacts.write_text(partial / "README.md", model_card(facts))
        _refuse_occupied(folder)
    note = ", without its next-utterance head" if start.record.axes.next_utterance else ""
    console.say(f"{folder}: {variant}, seed {seed}{note}; README.md says how to use it")
    if otherwise:
        console.note(
            f"{folder}: AutoTokenizer reads its tokenizer otherwise than in training; load it by "
            "PreTrainedTokenizerFast, as README.md does"
        )
    for of_what, licence in found.items():
        if not licence.found:
            console.note(f"licence of the {of_what}: {licence.words}")


def _adapted(start: Start, person: Path, name: str | None) -> Start:
    own = person_of([person], [], name).in_format(start.learner.encoder.format)
    fold = own.fold(start.params.finetune)
    require_person_fits(start.learner, fold, start.params)
    # All dialogues are support: what is taken away need not be measured here.
    whole = replace(fold, support=fold.support + fold.query, query=())
    with progress(f"adapting to {fold.task_id}", start.epochs, unit="epochs") as advance:
        theta = adapt_to(start.learner, whole, start.params, start.epochs, advance)
    return replace(start, learner=replace(start.learner, theta=theta))


def _facts(
    start: Start, found: dict[str, Licence], person: Path | None, *, read_otherwise: bool
) -> CardFacts:
    return CardFacts(
        start.record,
        start.details,
        start.base_source,
        data_source(),
        found,
        start.learner.encoder.context,
        person is not None,
        read_otherwise,
    )


if __name__ == "__main__":
    console.run(export)

"""DVC stage `tasks`: persona tasks with their distractor sets, counts and leaks."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.outs import write_record
from pipeline.params import Settings, TasksParams
from pipeline.params.stated import recorded
from pipeline.persona.task.record import SPLITS, PersonaTask, Split
from pipeline.persona.tasks.build import iterate_tasks
from pipeline.persona.tasks.conversations import ConversationFile, check_apart
from pipeline.persona.tasks.grouping import group
from pipeline.persona.tasks.held_out import hold_out
from pipeline.persona.tasks.known_counts import archive_sha256, check_counts
from pipeline.persona.tasks.parser import DialogueFile
from pipeline.persona.tasks.summary import SplitSums, counts, leaking, summary_of
from pipeline.progress import counted
from stages.shell import console
from stages.shell.in_force import refuse_edited
from stages.shell.progress.shown import progress


Dialogues = DialogueFile | ConversationFile
RAW_FILES = (artifacts.raw_text, artifacts.raw_conversations)
OWN = {artifacts.TASKS_SUMMARY.name, *(artifacts.tasks_file(split).name for split in SPLITS)}


@artifacts.one_at_a_time(lambda: artifacts.TASKS)
def tasks() -> None:
    """Group the dialogues by persona and write one task for each."""
    artifacts.refuse_foreign(artifacts.TASKS, artifacts.TASKS_SUMMARY.name, OWN)
    view = Settings.load().view(TasksParams)
    params = view.tasks
    source = artifacts.read_json(artifacts.RAW_SOURCE, made_by="download")
    _refuse_changed(source)
    parsed = _parsed()
    groups = {split: _people(dialogues) for split, dialogues in parsed.items()}
    facts = {split: counts(parsed[split], len(groups[split])) for split in parsed}
    known = check_counts(archive_sha256(source), facts)
    aside: dict[str, object] = {}
    if params.held_out is not None:
        divided = hold_out(parsed["train"], groups["train"], params.held_out)
        parsed = {**parsed, "test": parsed["train"]}
        groups = {**groups, "train": divided.train, "test": divided.held_out}
        aside = {"held_out": {"other_sides": divided.other_sides}}
    splits: dict[Split, SplitSums] = {split: SplitSums() for split in SPLITS}
    with artifacts.atomic_path(artifacts.TASKS) as partial:
        partial.mkdir()
        for split in SPLITS:
            records = iterate_tasks(parsed[split], groups[split], split, params)
            path = partial / artifacts.tasks_file(split).name
            total = min(len(groups[split]), getattr(params.max_personas, split) or math.inf)
            with progress(f"tasks of {split}", int(total), unit="people") as advance:
                artifacts.write_records(path, _summed(counted(records, advance), splits[split]))
            if split != "train":
                splits[split].check_folds(split)
        summary = summary_of(splits) | {"source": source, "counts_checked": known} | aside
        summary |= {"params": recorded(view)}
        _refuse_replaced(source)
        refuse_edited(view, Settings.load().view(TasksParams))
        write_record(partial, artifacts.TASKS_SUMMARY.name, summary)
    sizes = ", ".join(f"{one.num_personas} {split}" for split, one in splits.items())
    console.wrote(artifacts.TASKS, f"personas: {sizes}", "summary.json in it has counts and leaks")
    for split, share in leaking(splits).items():
        console.note(
            f"{split}: {share:.0%} of the replies stand word for word in other dialogues of their "
            "person, so that the support holds what is asked; are there copies of conversations?"
        )


def _refuse_replaced(source: Mapping[str, object]) -> None:
    """Refuse a data/raw that was replaced while it was read, before the tasks are published.

    Raises:
        DataError: it is another download than at the start.
    """
    if artifacts.read_json(artifacts.RAW_SOURCE, made_by="download") != source:
        raise DataError(
            f"{artifacts.RAW}: replaced while it was read; run the same command again when nothing "
            "else writes there"
        )
    _refuse_changed(source)


def _refuse_changed(source: Mapping[str, object]) -> None:
    """Refuse texts that are not as `source.json` says, which goes into the tasks' summary.

    Raises:
        DataError: names the file, both digests, and the command to run.
    """
    corpus = source.get("corpus")
    said = corpus.get("files") if isinstance(corpus, dict) else None
    if not isinstance(said, dict):
        return
    read = {of(split).name for split in SPLITS for of in RAW_FILES if of(split).is_file()}
    for name in sorted(said.keys() | read):
        path = artifacts.RAW / Path(name).name
        now = artifacts.sha256_of(path) if path.is_file() else "none"
        if now != said.get(name):
            raise DataError(
                f"{one_line(path)}: not as stage download wrote it: its SHA-256 is {now[:12]}…, "
                f"{artifacts.RAW_SOURCE} says {one_line(said.get(name, 'none'))[:12]}…; "
                "move it to another folder and name that in data.source, or delete "
                f"{artifacts.RAW}; then run `python -m stages.download` (or `dvc repro`)"
            )


def _parsed() -> Mapping[Split, Dialogues]:
    """Return each split's dialogues: conversations if there are any, else Persona-chat's text."""
    if not any(artifacts.raw_conversations(split).is_file() for split in SPLITS):
        return {split: DialogueFile(artifacts.raw_text(split)) for split in SPLITS}
    parsed = {split: ConversationFile(artifacts.raw_conversations(split)) for split in SPLITS}
    check_apart(parsed)
    return parsed


def _people(dialogues: Dialogues) -> list[list[int]]:
    """Return each person's dialogues: by name, or by persona text where there are no names."""
    if isinstance(dialogues, ConversationFile):
        return dialogues.people()
    return group(dialogues.personas())


def _summed(records: Iterable[PersonaTask], summary: SplitSums) -> Iterator[PersonaTask]:
    for record in records:
        summary.add(record)
        yield record


if __name__ == "__main__":
    console.run(tasks)

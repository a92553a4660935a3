"""DVC stage `tasks`: persona tasks with their distractor sets, counts and leaks."""

from pipeline import artifacts
from pipeline.params import Settings, TasksParams
from pipeline.persona.task import SPLITS
from pipeline.persona.tasks.build import build_tasks
from pipeline.persona.tasks.grouping import group
from pipeline.persona.tasks.known_counts import archive_sha256, check_counts
from pipeline.persona.tasks.parser import parse_file
from pipeline.persona.tasks.summary import counts, summarise
from stages.shell import console


OWN = {artifacts.TASKS_SUMMARY.name, *(artifacts.tasks_file(split).name for split in SPLITS)}


@artifacts.one_at_a_time(lambda: artifacts.TASKS)
def tasks() -> None:
    """Group the dialogues by persona and write one task for each."""
    artifacts.refuse_foreign(artifacts.TASKS, artifacts.TASKS_SUMMARY.name, OWN)
    params = Settings.load().view(TasksParams).tasks
    source = artifacts.read_json(artifacts.RAW_SOURCE, made_by="download")
    parsed = {split: parse_file(artifacts.raw_text(split)) for split in SPLITS}
    personas = {
        split: len(group([d.persona for d in dialogues])) for split, dialogues in parsed.items()
    }
    facts = {split: counts(parsed[split], personas[split]) for split in parsed}
    known = check_counts(archive_sha256(source), facts)
    built = {split: build_tasks(parsed[split], split, params) for split in SPLITS}
    summary = summarise(built) | {"source": source, "counts_checked": known}
    with artifacts.atomic_path(artifacts.TASKS) as partial:
        partial.mkdir()
        for split, records in built.items():
            artifacts.write_records(partial / artifacts.tasks_file(split).name, records)
        artifacts.write_json(partial / artifacts.TASKS_SUMMARY.name, summary)
    sizes = ", ".join(f"{len(records)} {split}" for split, records in built.items())
    console.out.print(f"{artifacts.TASKS}: personas: {sizes}")


if __name__ == "__main__":
    console.run(tasks)

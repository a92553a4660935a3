"""DVC stage `compare`: paired tests between all rows of Table 1."""

from math import comb

from pipeline import artifacts
from pipeline.evaluation.comparison.compare import compare_variants
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.schemas.comparison import Comparison
from pipeline.evaluation.schemas.made_from import ComparedFrom
from pipeline.params import CompareParams, Settings
from pipeline.params.stated import refuse_other_params
from pipeline.progress import counted
from stages.shell import console
from stages.shell.in_force import refuse_edited, scored_with_files
from stages.shell.progress.shown import progress


def compare() -> None:
    """Test every pair of variants over the same personas, with Holm's correction."""
    settings = Settings.load()
    view = settings.view(CompareParams)
    params = view.compare
    names = scored_with_files(
        artifacts.PREDICTIONS, ".jsonl", view.scored, made_by="finetune VARIANT"
    )
    identities = {name: predictions_file.read_identity(name) for name in names}
    predictions_file.refuse_other_inputs(identities.values())
    refuse_other_params(settings, map(predictions_file.made, identities.values()))
    with progress("compare: reading", len(names), unit="variants") as advance:
        records = {
            name: list(predictions_file.iterate(name, identities[name]))
            for name in counted(names, advance)
        }
    with progress("compare", comb(len(names), 2), unit="pairs") as advance:
        tests = compare_variants(
            records,
            params.claims,
            permutations=params.permutations,
            seed=params.seed,
            margin=params.margin,
            advance=advance,
        )
    first = identities[names[0]]
    made_from = ComparedFrom(
        params=params.model_dump(mode="json"),
        predictions={name: identity.sha256 for name, identity in identities.items()},
        tasks=first.tasks,
        base=first.base,
    )
    comparison = Comparison(**tests.set_fields(), made_from=made_from)
    refuse_edited(view, Settings.load().view(CompareParams))
    artifacts.write_sealed(artifacts.COMPARISON, comparison.content())
    look = "its `answer`s are in words; `python -m stages.report` draws them"
    console.wrote(artifacts.COMPARISON, f"{len(names)} variants", look)


if __name__ == "__main__":
    console.run(compare)

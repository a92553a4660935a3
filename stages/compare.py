"""DVC stage `compare`: paired tests between all rows of Table 1."""

from pipeline import artifacts
from pipeline.evaluation.comparison.compare import compare_variants
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.schemas.comparison import Comparison
from pipeline.evaluation.schemas.made_from import ComparedFrom
from pipeline.params import CompareParams, Settings
from stages.shell import console
from stages.shell.scored import scored_with_files


def compare() -> None:
    """Test every pair of variants over the same personas, with Holm's correction."""
    view = Settings.load().view(CompareParams)
    params = view.compare
    names = scored_with_files(
        artifacts.PREDICTIONS, ".jsonl", view.scored, made_by="finetune VARIANT"
    )
    identities = {name: predictions_file.read_identity(name) for name in names}
    predictions_file.refuse_other_inputs(identities.values())
    records = {name: list(predictions_file.iterate(name, identities[name])) for name in names}
    tests = compare_variants(
        records,
        params.claims,
        permutations=params.permutations,
        seed=params.seed,
        margin=params.margin,
    )
    first = identities[names[0]]
    made_from = ComparedFrom(
        params=params.model_dump(mode="json"),
        predictions={name: identity.sha256 for name, identity in identities.items()},
        tasks=first.tasks,
        base=first.base,
    )
    comparison = Comparison(**tests.set_fields(), made_from=made_from)
    artifacts.write_json(artifacts.COMPARISON, comparison.content())
    console.out.print(f"{artifacts.COMPARISON}: {len(names)} variants")


if __name__ == "__main__":
    console.run(compare)

"""DVC stage `compare`: paired tests between all rows of Table 1."""

from pipeline import artifacts
from pipeline.evaluation.comparison.adaptation import compare_adaptation
from pipeline.evaluation.comparison.levels import compare as compare_variants
from pipeline.evaluation.records.headline import headline_records
from pipeline.evaluation.records.prediction import Prediction
from pipeline.params import CompareParams, Settings
from stages.shell import console
from stages.shell.rows import scored_with_files


def _predictions(variant: str) -> list[Prediction]:
    path = artifacts.predictions_file(variant)
    return artifacts.read_records(path, Prediction, made_by=f"finetune {variant}")


def compare() -> None:
    """Test every pair of variants over the same personas, with Holm's correction."""
    view = Settings.load().view(CompareParams)
    params = view.compare
    names = scored_with_files(
        artifacts.PREDICTIONS, ".jsonl", view.scored, made_by="finetune VARIANT"
    )
    records = {name: _predictions(name) for name in names}
    headline = {name: headline_records(own) for name, own in records.items()}
    options = {"permutations": params.permutations, "seed": params.seed}
    content = compare_variants(headline, params.claims, **options)
    content["adaptation"] = compare_adaptation(records, params.claims, **options)
    artifacts.write_json(artifacts.COMPARISON, content)
    console.out.print(f"{artifacts.COMPARISON}: {len(names)} variants")


if __name__ == "__main__":
    console.run(compare)

"""DVC stage `compare`: paired tests between all variants that have predictions."""

from pipeline import artifacts
from pipeline.errors import MissingFileError
from pipeline.evaluation.adaptation_tests import compare_adaptation
from pipeline.evaluation.comparison import compare as compare_variants
from pipeline.evaluation.headline import headline_records
from pipeline.evaluation.prediction import Prediction
from pipeline.params import CompareParams, Settings
from stages import console


def _predictions(variant: str) -> list[Prediction]:
    path = artifacts.predictions_file(variant)
    return artifacts.read_records(path, Prediction, made_by=f"finetune {variant}")


def compare() -> None:
    """Test every pair of variants over the same personas, with Holm's correction."""
    params = Settings.load().view(CompareParams).compare
    names = sorted(path.stem for path in artifacts.PREDICTIONS.glob("*.jsonl"))
    if not names:
        raise MissingFileError(f"{artifacts.PREDICTIONS}/*.jsonl", "finetune VARIANT")
    records = {name: _predictions(name) for name in names}
    headline = {name: headline_records(those) for name, those in records.items()}
    options = {"permutations": params.permutations, "seed": params.seed}
    found = compare_variants(headline, params.claims, **options)
    found["adaptation"] = compare_adaptation(records, params.claims, **options)
    artifacts.write_json(artifacts.COMPARISON, found)
    console.out.print(f"{artifacts.COMPARISON}: {len(names)} variants")


if __name__ == "__main__":
    console.run(compare)

"""Predictions as `finetune` leaves them: the records, and beside them what they are."""

from collections.abc import Iterable
from contextlib import chdir
from pathlib import Path
from typing import Any

from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.records.prediction import Prediction


def write_predictions(
    folder: Path, variant: str, records: Iterable[Prediction], **changes: Any
) -> None:
    """Write both files; seeds, epochs, K and weights are those of the records."""
    records = list(records)
    weights = {float(weight) for record in records for weight in record.cache_nll or ()}
    shots = {record.k for record in records if record.protocol == "k_shot"}
    made_from = {
        "params": {
            "seeds": sorted({record.seed for record in records}),
            "finetune": {
                "epochs": sorted({record.epoch for record in records}),
                "k": sorted(shots),
                **({"cache": sorted(weights)} if weights else {}),
            },
        },
        "tasks": "0" * 64,
        "base": "1" * 64,
        "models": {"0": "2" * 64},
        "made_with": {},
    }
    with chdir(folder):
        predictions_file.write(variant, records, made_from | changes)

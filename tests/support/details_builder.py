"""Contents of metrics/details, with numbers that tests can tell apart."""

from pipeline.evaluation.schemas.base import parse
from pipeline.evaluation.schemas.floors import Floors
from tests.support.one_run import MEASURED_FROM, scored_from


def interval(value: float, half: float = 0.125) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def content(
    gain: float = 0.5,
    swap_gain: float | None = 0.125,
    epoch: int = 3,
    verdict: str = "personal",
    variant: str = "in_place",
    **scores,
):
    found = {"ppl": interval(20.0), "hits_at_1": interval(30.0), "f1": interval(10.0)} | scores
    swapped = swap_gain is not None
    return {
        "headline": {"split": "test", "protocol": "leave_one_out", "epoch": epoch},
        "counts": {"personas": 16, "records": 223, "dialogues_over_context": 0, "seeds": [0]},
        "metrics": found,
        "macro": {},
        "before_adaptation": {"ppl": interval(40.0), "hits_at_1": None, "f1": None},
        "change": {},
        "f1_by_sample": [10.0],
        "k_shot": {"personas": 0, "personas_left_out": 0, "points": {}, "in_context": None},
        "epochs": {},
        "adaptation": verdict,
        "gain": interval(gain),
        "swap_gain": interval(swap_gain) if swapped else None,
        "swap_gap": interval(gain - swap_gain) if swapped else None,
        "personal_share": None,
        "made_from": scored_from(variant),
        "kshot_csv": "4" * 64,
    }


FLOORS = {
    "counts": {"personas": 1, "replies": 3},
    "random": {"hits_at_1": 5.0},
    "tfidf": {"hits_at_1": 25},
    "tfidf_persona": {"hits_at_1": 12.5},
    "tfidf_partner": {"hits_at_1": 7.5},
    "constant_reply": {"f1": 10.5, "reply": "i like"},
    "frequent_words": {"f1": 11.5, "reply": "i you"},
    "unigram": {"ppl": 300},
    "oracle": {"ppl": 5.25},
    "made_from": MEASURED_FROM,
}


def floors(**values):
    return parse(Floors, FLOORS | values, "floors.json")


def shown(rows):
    return [
        (row.kind, row.title, metric, value.value)
        for row in rows
        for metric, value in row.ours.items()
        if value is not None
    ]

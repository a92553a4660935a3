"""The K-shot table: which epoch each K takes, what stays empty."""

import csv
import io
from math import exp

import pytest

from tests.support.scored_records import BOOTSTRAP, RECORDS, written


COLUMNS = "k,ppl,ppl_low,ppl_high,hits_at_1,hits_at_1_low,hits_at_1_high,f1,f1_low,f1_high,personas"


def rows(found):
    return list(csv.DictReader(io.StringIO(found.kshot)))


def test_kshot_takes_k_0_at_epoch_0_and_the_rest_at_the_headline_epoch():
    found = written(RECORDS, BOOTSTRAP)
    assert found.kshot.splitlines()[0] == COLUMNS
    zero, three = rows(found)
    assert (zero["k"], three["k"]) == ("0", "3")
    assert (zero["personas"], three["personas"]) == ("2", "2")
    assert float(zero["ppl"]) == pytest.approx(exp(2.0))
    assert float(three["ppl"]) == exp(9 / 8)
    assert (float(zero["hits_at_1"]), float(three["hits_at_1"])) == (0, 100)
    assert (float(zero["f1"]), float(three["f1"])) == (0, 50)
    assert (float(three["f1_low"]), float(three["f1_high"])) == (0, 100)


def test_candidates_and_responses_that_are_null_leave_cells_empty():
    bare = dict.fromkeys(("response", "greedy", "gold"))
    bare |= {f"candidate_{name}": None for name in ("nll", "tokens", "equals_gold", "in_support")}
    records = [
        record.model_copy(update=bare) if record.k == 3 and record.epoch == 1 else record
        for record in RECORDS
    ]
    three = rows(written(records, BOOTSTRAP))[1]
    assert float(three["ppl"]) == exp(9 / 8)
    assert three["hits_at_1"] == three["hits_at_1_low"] == three["f1"] == three["f1_high"] == ""


def test_without_any_k_shot_record_the_table_is_empty():
    records = [record for record in RECORDS if record.protocol != "k_shot"]
    found = written(records, BOOTSTRAP)
    assert found.kshot == COLUMNS + "\n"
    assert found.details["k_shot"] == {
        "personas": 0,
        "personas_left_out": 2,
        "points": {},
        "in_context": None,
        "swap": None,
        "cache": None,
        "recovered": None,
        "equal_updates": None,
    }

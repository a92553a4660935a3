"""The three files of stage score: exactly these keys and columns, over exactly these records."""

import json
from math import exp, log

import pytest

from pipeline.errors import DataError
from tests.support.prediction_builder import a_prediction, full
from tests.support.scored_records import BOOTSTRAP, RECORDS, records_of, written


def test_metrics_are_exactly_table_1s_three_unrounded():
    found = written(RECORDS, BOOTSTRAP)
    assert found.metrics == pytest.approx({"f1": 50.0, "hits_at_1": 100.0, "ppl": exp(9 / 8)})
    assert found.metrics["ppl"] == exp(9 / 8)


def test_the_headline_setting_is_named_and_chosen_on_valid():
    found = written(RECORDS, BOOTSTRAP)
    assert found.details["headline"] == {"split": "test", "protocol": "leave_one_out", "epoch": 1}
    assert found.details["counts"] == {
        "personas": 2,
        "records": 2,
        "dialogues_over_context": 0,
        "seeds": [0],
    }


def test_dialogues_that_were_split_into_windows_are_counted():
    split = [record.model_copy(update={"windows": 2}) for record in records_of(0)]
    found = written([*split, *records_of(1)], BOOTSTRAP)
    assert found.details["counts"]["dialogues_over_context"] == 1


def test_intervals_and_the_numbers_before_adaptation():
    details = written(RECORDS, BOOTSTRAP).details
    assert details["metrics"]["ppl"] == pytest.approx(
        {
            "value": exp(9 / 8),
            "low": exp(1.0),
            "high": exp(1.25),
            "crossed_low": None,
            "crossed_high": None,
        }
    )
    assert details["before_adaptation"]["ppl"]["value"] == pytest.approx(exp(2.0))
    assert details["before_adaptation"]["hits_at_1"]["value"] == 0
    assert details["gain"]["value"] == pytest.approx((1.0 + 0.75) / 2)
    assert details["swap_gap"]["value"] == pytest.approx(0.25)
    assert set(details["epochs"]) == {"1", "3"}
    assert details["adaptation"] == "mostly not personal"


def test_all_metrics_of_the_headline_setting_by_hand():
    """Persona 0 says "i like dogs", persona 1 "cats"; the reply is "i like dogs" (11 bytes)."""
    found = written(RECORDS, BOOTSTRAP).details["metrics"]
    whole = {name: 100.0 for name in found if name.startswith("hits_at_1")}
    for score in ("pmi", "head"):
        del whole[f"hits_at_1_by_{score}"], whole[f"hits_at_1_by_{score}_clean"]
    assert len(whole) == 4
    values = {name: estimate and estimate["value"] for name, estimate in found.items()}
    assert values == pytest.approx(
        whole
        | {
            "ppl": exp(9 / 8),
            "ppl_without_end": exp(7 / 6),
            "ppl_per_word": exp(7 / 4),
            "bits_per_byte": 7 / 22 / log(2),
            "hits_at_1_by_pmi": None,
            "hits_at_1_by_pmi_clean": None,
            **{name: None for name in found if "_by_head" in name or "persona_f1" in name},
            "hits_at_5": 100.0,
            "hits_at_5_clean": 100.0,
            "mrr": 1.0,
            "mrr_clean": 1.0,
            "mean_rank": 1.0,
            "mean_rank_clean": 1.0,
            "candidates_cleaned_away": 0.0,
            **dict.fromkeys(("f1", "greedy_f1", "samples_f1"), 50.0),
            **dict.fromkeys(("bleu", "greedy_bleu"), 0.0),
            **{f"{field}_words": 2.0 for field in ("response", "greedy", "reference")},
            **{f"{field}_distinct_1": 100.0 for field in ("response", "greedy")},
            **{f"{field}_distinct_2": 100.0 for field in ("response", "greedy")},
            **{f"{field}_empty": 0.0 for field in ("response", "greedy")},
            **{f"{field}_repetition": 0.0 for field in ("response", "greedy")},
            "reference_distinct_1": 50.0,
            "reference_distinct_2": 50.0,
        },
        nan_ok=False,
    )
    assert found["response_distinct_1"] == {"value": 100.0, "low": None, "high": None}


def test_macro_weighs_personas_alike():
    """Four more replies of persona 1: micro follows them, macro does not."""
    more = [
        r.model_copy(update={"turn": turn})
        for r in RECORDS
        for turn in range(1, 5)
        if (r.task_id, r.protocol) == ("p1", "leave_one_out")
    ]
    details = written([*RECORDS, *more], BOOTSTRAP).details
    assert details["metrics"]["f1"]["value"] == pytest.approx(100 / 6)
    assert details["macro"]["f1"] == pytest.approx({"value": 50, "low": 0, "high": 100})
    assert details["metrics"]["ppl"]["value"] == pytest.approx(exp((1.0 + 5 * 1.25) / 6))
    assert details["macro"]["ppl"] == pytest.approx(
        {"value": exp(1.125), "low": exp(1.0), "high": exp(1.25)}
    )
    assert "response_distinct_1" not in details["macro"]


def test_change_is_after_minus_before_per_persona():
    """Nats per token from 2 to 1 and 1.25; hits from 0 to 100; F1 stays as it was."""
    change = written(RECORDS, BOOTSTRAP).details["change"]
    assert change["ppl"]["value"] == pytest.approx(((1.0 - 2.0) + (1.25 - 2.0)) / 2)
    assert change["hits_at_1"] == {"value": 100, "low": 100, "high": 100}
    assert change["f1"]["value"] == 0
    assert change["mean_rank"]["value"] == -19  # the last of 20 before
    assert "hits_at_1_by_pmi" not in change


def test_every_metric_and_gain_at_every_k():
    found = written(RECORDS, BOOTSTRAP).details["k_shot"]["points"]
    assert list(found) == ["0", "3"]
    assert (found["0"]["epoch"], found["3"]["epoch"]) == (0, 1)
    assert "change" not in found["0"]
    assert found["0"]["metrics"]["greedy_f1"]["value"] == 0
    assert found["3"]["metrics"]["greedy_f1"]["value"] == 50
    assert found["3"]["metrics"].keys() == written(RECORDS, BOOTSTRAP).details["metrics"].keys()
    assert found["3"]["change"]["f1"]["value"] == 50
    gains = {epoch: gain["value"] for epoch, gain in found["3"]["gain_by_epoch"].items()}
    assert gains == pytest.approx({"1": (1.0 + 0.75) / 2, "3": 7 / 4})


def test_the_support_in_the_prompt_is_compared_with_none_and_with_fine_tuning():
    """Persona 0 had 1 and 2 dialogues in the prompt, persona 1 none: its K = 0 stands in."""
    prompts = [
        full(task_id="p0", protocol="in_context", epoch=0, k=k, nll=nll, response="i")
        for k, nll in ((2, 2.0), (1, 4.0))
    ]
    found = written([*RECORDS, *prompts], BOOTSTRAP).details["k_shot"]["in_context"]
    assert list(found) == ["3"]
    three = found["3"]
    assert three["mean_k"] == 1
    assert three["metrics"]["ppl"]["value"] == pytest.approx(exp((0.75 + 2.0) / 2))
    assert three["gain"]["value"] == pytest.approx((1.25 + 0.0) / 2)
    assert three["change"]["ppl"]["value"] == pytest.approx(-(1.25 + 0.0) / 2)
    assert three["behind_fine_tuning"]["value"] == pytest.approx(((0.75 - 1.0) + (2.0 - 1.25)) / 2)
    assert written(RECORDS, BOOTSTRAP).details["k_shot"]["in_context"] is None


def test_a_prompt_with_more_dialogues_than_k_does_not_count_for_k():
    one = [r.model_copy(update={"k": 1}) if r.k == 3 else r for r in RECORDS]
    prompts = [full(task_id="p0", protocol="in_context", epoch=0, k=2, nll=2.0)]
    found = written([*one, *prompts], BOOTSTRAP).details["k_shot"]["in_context"]
    assert found["1"]["mean_k"] == 0
    assert found["1"]["gain"]["value"] == 0


def test_f1_of_every_sample():
    records = [
        r.model_copy(update={"responses": ["i like dogs"]}) if r.response is not None else r
        for r in RECORDS
    ]
    details = written(records, BOOTSTRAP).details
    assert details["f1_by_sample"] == [50.0, 100.0]
    assert details["metrics"]["samples_f1"]["value"] == 75
    assert written(RECORDS, BOOTSTRAP).details["f1_by_sample"] == [50.0]


def test_table_1_without_candidates_is_refused():
    plain = [
        a_prediction(split=split, epoch=epoch) for split in ("valid", "test") for epoch in (0, 1)
    ]
    with pytest.raises(DataError, match="hits_at_1 cannot be computed"):
        written(plain, BOOTSTRAP)


def test_personas_with_too_few_dialogues_for_k_shot_are_counted():
    alone = [r.model_copy(update={"task_id": "p9"}) for r in RECORDS if r.task_id == "p0"]
    alone = [record for record in alone if record.protocol == "leave_one_out"]
    details = written([*RECORDS, *alone], BOOTSTRAP).details
    assert details["k_shot"]["personas"] == 2
    assert details["k_shot"]["personas_left_out"] == 1


def test_a_setting_that_is_missing_is_named():
    with pytest.raises(DataError, match="at epoch 0; run stage finetune"):
        written([r for r in RECORDS if r.split == "valid" or r.epoch != 0], BOOTSTRAP)
    with pytest.raises(DataError, match="no k_shot records with k 3 at epoch 1"):
        written([r for r in RECORDS if (r.protocol, r.epoch) != ("k_shot", 1)], BOOTSTRAP)


def test_details_are_json_and_do_not_depend_on_the_order_of_records():
    one, two = (json.dumps(written(r, BOOTSTRAP).details) for r in (RECORDS, RECORDS[::-1]))
    assert one == two

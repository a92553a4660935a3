"""Which charts there are: points and curves as the files have them."""

import csv
import io

from pipeline.evaluation.report.charts.figures import (
    figure_3,
    gains,
    more_of_figure_3,
    order,
    training,
)
from pipeline.evaluation.schemas.base import parse
from pipeline.evaluation.schemas.details import Details
from tests.support.details_builder import content
from tests.wiring.closure import ROOT


def shots(points):
    return parse(Details, content() | {"k_shot": content()["k_shot"] | {"points": points}}, "x")


def an(estimate):
    return {"value": estimate, "low": estimate - 0.25, "high": estimate + 0.25}


def test_figure_3_has_the_points_of_the_csv():
    text = (ROOT / "metrics/kshot/in_place.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    charts = {one.key: one for one in figure_3({"transfer": text, "mine": text, "in_place": text})}
    assert list(charts) == ["fig3_ppl", "fig3_hits_at_1", "fig3_f1"]
    assert charts["fig3_ppl"].rows == ["transfer", "in_place", "mine"]
    for metric in ("ppl", "hits_at_1", "f1"):
        for line in charts[f"fig3_{metric}"].lines:
            found = [(p.x, p.y, p.low, p.high) for p in line.points]
            keys = ("k", metric, f"{metric}_low", f"{metric}_high")
            assert found == [tuple(float(row[key]) for key in keys) for row in rows]


def test_a_metric_that_no_csv_has_gets_no_chart():
    text = "k,ppl,ppl_low,ppl_high,hits_at_1,hits_at_1_low,hits_at_1_high,f1,f1_low,f1_high\n"
    assert [one.key for one in figure_3({"a": text + "0,5.0,,,,,,,,\n"})] == ["fig3_ppl"]


def test_every_other_metric_has_a_chart_unless_it_is_nothing_new():
    metrics = {"ppl": an(5.0), "mrr": an(0.5), "mrr_clean": an(0.5), "bleu": an(1.0)}
    metrics |= {"reference_words": an(9.0), "hits_at_1_by_head": None, "bleu_clean": an(2.0)}
    one = shots({"0": {"epoch": 0, "metrics": metrics}})
    keys = [found.key for found in more_of_figure_3({"in_place": one})]
    assert keys == ["fig3_bleu", "fig3_bleu_clean", "fig3_mrr"]


def test_gains_start_at_nothing_and_have_a_chart_for_each_k():
    zero = {"epoch": 0, "metrics": {}}
    three = {"epoch": 3, "metrics": {}, "change": {}, "gain_by_epoch": {"1": an(0.5), "3": an(1)}}
    (one,) = gains({"in_place": shots({"0": zero, "3": three})})
    assert one.key == "gain_k3"
    assert [(p.x, p.y, p.low) for p in one.lines[0].points] == [
        (0, 0, None),
        (1, 0.5, 0.25),
        (3, 1, 0.75),
    ]


def test_training_runs_are_drawn_by_what_their_histories_have():
    played = "step,loss,reward,valid_reward,extra\n0,,,-1.5,7\n1,2.5,-1.0,,7\n"
    trained = "step,outer_loss,loss\n1,3.5,9.0\n2,nan,9.0\n"
    charts = {c.key: c for c in training({("p2bot", 0): played, ("in_place", 0): trained})}
    assert list(charts) == ["training_train_loss", "training_reward", "training_valid_reward"]
    losses = {
        line.row: [(p.x, p.y) for p in line.points] for line in charts["training_train_loss"].lines
    }
    assert losses == {"p2bot": [(1, 2.5)], "in_place": [(1, 3.5)]}


def test_runs_of_several_seeds_are_told_apart_by_name_and_long_ones_are_averaged():
    text = "step,loss\n" + "".join(f"{i},{i}.0\n" for i in range(400))
    (one,) = training({("transfer", 0): text, ("transfer", 7): text})
    assert [line.label for line in one.lines] == ["transfer, seed 0", "transfer, seed 7"]
    assert one.rows == ["transfer"]
    assert one.title.endswith("means of 3 steps")
    assert len(one.lines[0].points) == 134


def test_rows_are_numbered_in_table_1s_order():
    assert order(["mine", "in_place", "reinit", "mine"]) == {"reinit": 0, "in_place": 1, "mine": 2}

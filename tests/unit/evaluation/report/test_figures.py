"""The report's figures: points and curves as the files have them."""

import csv
import io
import re

import pytest

from pipeline.evaluation.report.figures import figure_3, gains, training
from pipeline.evaluation.schemas.base import parse
from pipeline.evaluation.schemas.details import Details
from tests.support.details_builder import content
from tests.wiring.closure import ROOT


def test_figure_3_has_the_points_of_the_csv():
    text = (ROOT / "metrics/kshot/in_place.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    pictures = figure_3({"in_place": text, "transfer": text})
    assert sorted(pictures) == ["fig3_f1.svg", "fig3_hits_at_1.svg", "fig3_ppl.svg"]
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', pictures["fig3_ppl.svg"])
    assert len(circles) == 2 * len(rows)
    heights = [float(y) for _, y in circles[: len(rows)]]
    values = [float(row["ppl"]) for row in rows]
    slope = (heights[-1] - heights[0]) / (values[-1] - values[0])
    assert slope < 0  # higher values stand higher, and pixels are counted downwards
    for height, value in zip(heights, values, strict=True):
        assert height == pytest.approx(heights[0] + slope * (value - values[0]), abs=0.02)
    bars = re.findall(r'y1="([\d.]+)" x2="[\d.]+" y2="([\d.]+)"', pictures["fig3_ppl.svg"])
    drawn = {tuple(map(float, bar)) for bar in bars}
    for row in rows:
        ends = (float(row["ppl_low"]), float(row["ppl_high"]))
        bar = tuple(heights[0] + slope * (end - values[0]) for end in ends)
        assert any(found == pytest.approx(bar, abs=0.02) for found in drawn)


def test_a_metric_that_no_csv_has_gets_no_picture():
    text = "k,ppl,ppl_low,ppl_high,hits_at_1,hits_at_1_low,hits_at_1_high,f1,f1_low,f1_high\n"
    assert list(figure_3({"a": text + "0,5.0,,,,,,,,\n"})) == ["fig3_ppl.svg"]


def test_gains_start_at_nothing_and_have_a_picture_for_each_k():
    gain = {"value": 0.5, "low": 0.25, "high": 0.75}
    zero = {"epoch": 0, "metrics": {}}
    three = {"epoch": 3, "metrics": {}, "change": {}, "gain_by_epoch": {"1": gain, "3": gain}}
    shots = content()["k_shot"] | {"points": {"0": zero, "3": three}}
    scored = parse(Details, content() | {"k_shot": shots}, "x.json")
    pictures = gains({"in_place": scored})
    assert list(pictures) == ["gain_k3.svg"]
    assert len(re.findall("<circle", pictures["gain_k3.svg"])) == 3


def test_a_training_run_is_drawn_by_what_its_history_has():
    history = "step,loss,reward,valid_reward,extra\n0,,,-1.5,7\n1,2.5,-1.0,,7\n"
    pictures = training("p2bot-seed-0", history)
    assert sorted(pictures) == ["p2bot-seed-0-loss.svg", "p2bot-seed-0-reward.svg"]
    assert len(re.findall("<circle", pictures["p2bot-seed-0-reward.svg"])) == 2

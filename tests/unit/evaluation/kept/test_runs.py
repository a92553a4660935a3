"""Training runs of kept studies, as earlier versions recorded them."""

from pipeline import artifacts
from pipeline.evaluation.kept.study import Study
from tests.wiring.closure import ROOT


def test_a_run_of_old_is_read_by_todays_names_of_axes():
    study = Study("real_cpu_again", ROOT / artifacts.STUDIES / "real_cpu_again")
    formats = {name: runs[0].axes.format for name, runs in study.runs.items()}
    plain = {name for name, value in formats.items() if value == "plain"}
    assert plain == {"in_place_plain", "transfer_plain"}
    assert set(formats.values()) == {"special", "plain"}

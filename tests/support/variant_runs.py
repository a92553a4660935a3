"""A training run, at toy size."""

from pipeline.learning.training.variant_run import VariantRun
from pipeline.params import Adapters, Settings, TrainParams
from tests.conftest import AXES
from tests.wiring.closure import ROOT


def a_run(method="train"):
    params = Settings.load(ROOT / "presets/embedded.yaml").view(TrainParams)
    adapters = Adapters(bottleneck=4, init_std=0.3)
    return VariantRun(method, "in_place", 0, AXES["in_place"], adapters, params)

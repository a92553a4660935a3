"""A training run's identity, at toy size."""

from pipeline.learning.training.run import Identity
from pipeline.params import Adapters, Settings, TrainParams
from tests.conftest import AXES
from tests.wiring.closure import ROOT


def identity(method="train"):
    params = Settings.load(ROOT / "params.yaml").view(TrainParams)
    adapters = Adapters(bottleneck=4, init_std=0.3)
    return Identity(method, "in_place", 0, AXES["in_place"], adapters, params)

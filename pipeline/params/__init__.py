"""The schema of `params.yaml`: one model per section, one view per stage, errors with a path.

DVC tracks the values through `params:` in dvc.yaml. So no stage depends on this package's code,
and the code must not change a number: no key has a default here. Only a variant's axes have
defaults, and a test pins them.
"""

from pipeline.params.presets import load_preset, preset_names, preset_values
from pipeline.params.sections.data import (
    Base,
    Data,
    HeldOut,
    MaxPersonas,
    People,
    Pretrain,
    SplitShares,
    Synthetic,
    Tasks,
)
from pipeline.params.sections.evaluation import (
    AtK,
    Claim,
    Finetune,
    Generate,
    MaxFolds,
    RateGrid,
    Tune,
)
from pipeline.params.sections.p2bot import ReceiverTraining, SelfPlay
from pipeline.params.sections.section import StageParams
from pipeline.params.sections.training import Adapters, Loop
from pipeline.params.sections.variant import NextUtterance, Variant
from pipeline.params.settings import Settings, read_yaml
from pipeline.params.views import (
    AllParams,
    BaseParams,
    CompareParams,
    DownloadParams,
    FinetuneParams,
    MetaTrainParams,
    ReceiverParams,
    ReportParams,
    ScoreParams,
    SelfPlayParams,
    TasksParams,
    TrainParams,
    TuneParams,
)


__all__ = [
    "Adapters",
    "AllParams",
    "AtK",
    "Base",
    "BaseParams",
    "Claim",
    "CompareParams",
    "Data",
    "DownloadParams",
    "Finetune",
    "FinetuneParams",
    "Generate",
    "HeldOut",
    "Loop",
    "MaxFolds",
    "MaxPersonas",
    "MetaTrainParams",
    "NextUtterance",
    "People",
    "Pretrain",
    "RateGrid",
    "ReceiverParams",
    "ReceiverTraining",
    "ReportParams",
    "ScoreParams",
    "SelfPlay",
    "SelfPlayParams",
    "Settings",
    "SplitShares",
    "StageParams",
    "Synthetic",
    "Tasks",
    "TasksParams",
    "TrainParams",
    "Tune",
    "TuneParams",
    "Variant",
    "load_preset",
    "preset_names",
    "preset_values",
    "read_yaml",
]

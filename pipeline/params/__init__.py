"""The schema of `params.yaml`: one model per section, one view per stage, errors with a path.

DVC tracks the values through `params:` in dvc.yaml, so this package is no code dependency of any
stage: it must not change a number. Therefore no key has a default here; only a variant's axes do,
and a test pins those.
"""

from pipeline.params.sections import (
    Adapters,
    Base,
    Data,
    Finetune,
    Generate,
    Loop,
    MaxFolds,
    MaxPersonas,
    NextUtterance,
    People,
    Pretrain,
    ReceiverTraining,
    SelfPlay,
    Synthetic,
    Tasks,
    Tune,
    Variant,
)
from pipeline.params.settings import Settings, read_yaml
from pipeline.params.views import (
    AllParams,
    BaseParams,
    CompareParams,
    DownloadParams,
    FinetuneParams,
    MetaTrainParams,
    ReceiverParams,
    ScoreParams,
    SelfPlayParams,
    StageParams,
    TasksParams,
    TrainParams,
    TuneParams,
)


__all__ = [
    "Adapters",
    "AllParams",
    "Base",
    "BaseParams",
    "CompareParams",
    "Data",
    "DownloadParams",
    "Finetune",
    "FinetuneParams",
    "Generate",
    "Loop",
    "MaxFolds",
    "MaxPersonas",
    "MetaTrainParams",
    "NextUtterance",
    "People",
    "Pretrain",
    "ReceiverParams",
    "ReceiverTraining",
    "ScoreParams",
    "SelfPlay",
    "SelfPlayParams",
    "Settings",
    "StageParams",
    "Synthetic",
    "Tasks",
    "TasksParams",
    "TrainParams",
    "Tune",
    "TuneParams",
    "Variant",
    "read_yaml",
]

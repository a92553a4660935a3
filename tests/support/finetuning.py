"""A toy section `finetune`."""

from pipeline.params import Finetune, MaxFolds


def finetune_params(**changes: object) -> Finetune:
    """SGD at 0.05, one update per dialogue, epochs 0, 1 and 3, all folds; `changes` replace."""
    values: dict[str, object] = {
        "seed": 0,
        "optimizer": "sgd",
        "lr": 0.05,
        "batch_size": None,
        "epochs": [0, 1, 3],
        "k": [0, 1],
        "in_context": False,
        "max_folds": MaxFolds(valid=None, test=None),
    }
    return Finetune.model_validate(values | changes)

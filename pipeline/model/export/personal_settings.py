"""What `shipped/personalize.py` must know: the marks, what adapts at which rate, how long."""

from dataclasses import asdict
from typing import Any

from pipeline.model.base.architecture import trunk_of
from pipeline.model.export.plain_model import name_of
from pipeline.model.network.learner import Learner
from pipeline.model.network.projection import BIAS, SPECIAL, SPECIAL_WEIGHT, WEIGHT
from pipeline.model.sequences.formats import LINE_END
from pipeline.params import Adapters, Data, Finetune, FinetuneParams
from pipeline.persona.task.record import SILENCE


_MARKS = (
    "persona_open",
    "sentence_close",
    "persona_close",
    "user_open",
    "user_close",
    "system_open",
    "start",
)
_OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}  # of torch.optim


def personal_settings(
    learner: Learner,
    model: Any,
    adapters: Adapters | None,
    params: FinetuneParams,
    epochs: int,
    data: Data,
) -> dict[str, Any]:
    """Return the content of `personalize.json`.

    Args:
        learner: the exported variant.
        model: the plain model.
        adapters: Φ; null: the variant has none.
        params: of fine-tuning, the variant's own `set` in force.
        epochs: of an adaptation.
        data: how conversations are read.
    """
    form, tune = learner.encoder.format, params.finetune
    return {
        "adapters": adapters.kind if adapters else None,
        "batch_size": tune.batch_size,
        "blanks": asdict(form.blanks),
        "closing": form.closing,
        "context": learner.encoder.context,
        "epochs": epochs,
        "line_end": " " if LINE_END in form.reserved else LINE_END,
        "lr": tune.lr,
        "marks": {name: list(getattr(form, name)) for name in _MARKS},
        "opens_user": form.opens_user,
        "optimizer": _OPTIMIZERS[tune.optimizer],
        "persona_text": learner.encoder.persona_text,
        "plain_rows": learner.model.vocab_size,
        "rates": _rates(learner, model, tune),
        "reading": data.model_dump(include={"longest", "skip_broken", "system"})
        | {"silence": SILENCE},
        "room": params.generate.max_new_tokens,
        "seed": tune.seed,
    }


def _rates(learner: Learner, model: Any, tune: Finetune) -> dict[str, list[float]]:
    """Return the rates of plain and special rows by the plain model's names, in units of `lr`.

    What is no table has the same rate twice; what does not adapt is left out.
    """
    own = learner.adapting(tune.parameters)
    rates = {name: 1.0 if rate is None else rate / tune.lr for name, rate in own.items()}
    trunk = name_of(model, trunk_of(model))
    head = name_of(model, model.get_output_embeddings())
    table = learner.model.table
    found = {
        f"{trunk}.{table}": [rates.get(table, 0.0), rates.get(SPECIAL, 0.0)],
        f"{head}.weight": [rates.get(WEIGHT, 0.0), rates.get(SPECIAL_WEIGHT, 0.0)],
        f"{head}.bias": [rates.get(BIAS, 0.0)] * 2,
    }
    tables = {table, SPECIAL, WEIGHT, SPECIAL_WEIGHT, BIAS}
    found |= {f"{trunk}.{name}": [r, r] for name, r in rates.items() if name not in tables}
    return {name: pair for name, pair in found.items() if any(pair)}

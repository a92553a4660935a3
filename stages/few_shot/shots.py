"""Likelihoods on test after K dialogues, at the chosen rates: `python -m stages.shots VARIANT`."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.evaluation.controls.shots import at
from pipeline.evaluation.predict import inputs
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.studies.shots import shot_sums, shots_file
from pipeline.params import FinetuneParams
from stages.few_shot.kshot_records import records_of
from stages.shell import console
from stages.shell.arguments import VariantName


def shots(
    name: VariantName,
    only: Annotated[
        list[int] | None, typer.Option("--k", help="Adapt to these K of finetune.k alone.")
    ] = None,
) -> None:
    """Fine-tune on test people's first K dialogues as finetune.by_k says; no candidates.

    A K that `finetune.by_k` does not name is fine-tuned by the section's own optimizer and rate,
    and scored after its last epoch.
    """
    params = inputs.finetune_params(name)
    finetune = params.finetune
    if only and not set(only) <= set(finetune.k):
        raise ParamsError(f"--k: some of finetune.k {finetune.k} was expected, found {only}")
    adapted = [k for k in finetune.k if not only or k in only]
    tuned = [record for k in adapted for record in _at(name, params, k)]
    prompted = records_of(name, params, "test", params.seeds, []) if finetune.in_context else []
    own = finetune.by_k.get(name, [])
    path = shots_file(name)
    content = shot_sums(tuned, prompted, own, finetune.k, adapted)
    artifacts.write_json(path, content.content())
    console.say(f"{path}: {len(content.personas)} people, K {', '.join(map(str, adapted))}")


def _at(name: str, params: FinetuneParams, k: int) -> list[Prediction]:
    """Return the records after K dialogues, at the last epoch of that K."""
    own = params.finetune.at(k)
    records = records_of(name, at(params, own), "test", params.seeds, [k])
    last = own.epochs[-1] if k else 0
    return [record for record in records if record.epoch == last]


if __name__ == "__main__":
    console.run(shots)

"""Likelihoods on test after K dialogues, at the chosen rates: `python -m stages.shots VARIANT`."""

from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import artifacts
from pipeline.atomic import only_run
from pipeline.errors import DataError, MissingFileError, ParamsError
from pipeline.evaluation.controls.shots import at
from pipeline.evaluation.few_shot.same_replies import replies_sha256
from pipeline.evaluation.few_shot.short_prompts import Fit, short_prompts
from pipeline.evaluation.few_shot.shots import (
    ShotSums,
    cache_sums,
    shot_sums,
    shots_file,
    stranger_sums,
)
from pipeline.evaluation.predict import inputs
from pipeline.evaluation.predict.protocols import require_k_shot
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.records.prompted import longest_prompts
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom, refuse_other_adaptation
from pipeline.evaluation.schemas.base import read
from pipeline.params import FinetuneParams
from stages.few_shot.kshot_records import KshotRecords
from stages.shell import console
from stages.shell.arguments import VariantName


_ADDED = {  # parts of the file, and the options that add them
    "cached": "--cache",
    "stranger": "--strangers gradient",
    "stranger_prompted": "--strangers prompt",
}


class Strangers(StrEnum):
    """How a stranger's dialogues are used."""

    GRADIENT = "gradient"
    PROMPT = "prompt"


def shots(
    name: VariantName,
    only: Annotated[
        list[int] | None, typer.Option("--k", help="Adapt to these K of finetune.k alone.")
    ] = None,
    cache: Annotated[
        bool,
        typer.Option("--cache", help="Add a cache of the K dialogues to the file that is there."),
    ] = False,
    strangers: Annotated[
        Strangers | None,
        typer.Option(
            help="Add a stranger's K dialogues to the file that is there: adapted to, or in the "
            "prompt."
        ),
    ] = None,
) -> None:
    """Fine-tune on test people's first K dialogues as finetune.by_k says; no candidates.

    A K that `finetune.by_k` does not name is fine-tuned by the section's own optimizer and rate,
    and scored after its last epoch.
    """
    params = inputs.finetune_params(name)
    if only and not set(only) <= set(params.finetune.k):
        raise ParamsError(f"--k: some of finetune.k {params.finetune.k} was expected, found {only}")
    if not params.finetune.k:
        raise ParamsError("finetune.k: empty; the K to adapt to were expected")
    path = shots_file(name)
    with only_run(path):
        read_now = inputs.read_by(name, params.seeds)
        made_with = inputs.made_from(name, params)["made_with"]
        made_from = AdaptedFrom.of(name, params, read_now.digests, params.seeds, made_with)
        for split in ("valid", "test") if cache else ("test",):
            require_k_shot(inputs.tasks_of(split), params.finetune, split)
        scored = KshotRecords()
        if cache or strangers:
            content = read(path, ShotSums, made_by=f"shots {name}")
            controls = ["cache"] if content.cached and not cache else []  # the weights tried
            refuse_other_adaptation(path, f"shots {name}", content.made_from, made_from, controls)
            content = _with_cache(scored, name, params, content) if cache else content
            if strangers:
                content = _with_strangers(scored, name, params, content, strangers)
        else:
            _tell_what_is_left_out(path, name)
            content = _measured(scored, name, params, only)
            _tell_which_k_are_left_out(path, content)
        content = content.model_copy(update={"made_from": made_from})
        read_now.refuse_changed()
        artifacts.write_sealed(path, content.content())
        scored.delete()
    adapted = ", ".join(map(str, content.tuned))
    console.say(f"{path}: {len(content.personas)} people, K {adapted}")
    for note in Fit(short_prompts({name: content})).notes():
        console.note(f"{path}: {note}")


def _tell_what_is_left_out(path: Path, name: str) -> None:
    """Say which controls of the file that is there have to be added again."""
    before: Mapping[str, Any] = {}
    with suppress(MissingFileError, DataError):  # a damaged file is written anew
        before = artifacts.read_json(path, made_by=f"shots {name}")
    if added := [option for key, option in _ADDED.items() if before.get(key)]:
        again = " and ".join(f"`python -m stages.shots {name} {option}`" for option in added)
        console.note(f"{path}: written anew, without what was added to it; add it by {again}")


def _tell_which_k_are_left_out(path: Path, anew: ShotSums) -> None:
    """Say which K of the file that is there `--k` leaves out."""
    with suppress(MissingFileError, DataError):
        before = read(path, ShotSums, made_by=f"shots {path.stem}")
        if lost := sorted(before.tuned.keys() - anew.tuned.keys()):
            found = ", ".join(map(str, lost))
            console.note(f"{path}: written anew, without K = {found}, which were in it")


def _measured(
    scored: KshotRecords, name: str, params: FinetuneParams, only: list[int] | None
) -> ShotSums:
    """Return the sums at the K that are asked for.

    With dialogues in the prompt K = 0 is scored in any case: for a reply before which no dialogue
    fits, it stands in.
    """
    finetune = params.finetune
    adapted = [k for k in finetune.k if not only or k in only]
    adapted = sorted({0, *adapted}) if finetune.in_context else adapted
    tuned = [record for k in adapted for record in _at(scored, name, params, k)]
    prompted = (
        scored.of(name, params, "test", params.seeds, "prompt") if finetune.in_context else None
    )
    own = finetune.by_k.get(name, [])
    sums = shot_sums(tuned, prompted, own, finetune.k, adapted)
    return sums.model_copy(update={"replies": replies_sha256(tuned)})


def _at(scored: KshotRecords, name: str, params: FinetuneParams, k: int) -> list[Prediction]:
    """Return the records after K dialogues, at the last epoch of that K."""
    own = params.finetune.at(k)
    records = scored.of(name, at(params, own), "test", params.seeds, [k])
    last = own.epochs[-1] if k else 0
    return [record for record in records if record.epoch == last]


def _with_cache(
    scored: KshotRecords, name: str, params: FinetuneParams, before: ShotSums
) -> ShotSums:
    """Return the sums with the cache's; its weight at each K is the best on valid."""
    if not params.finetune.cache:
        raise ParamsError("finetune.cache: empty; give the weights that are tried on valid")
    valid, test = (
        scored.of(name, params, split, params.seeds, "cache") for split in ("valid", "test")
    )
    return cache_sums(before, valid, test)


def _with_strangers(
    scored: KshotRecords, name: str, params: FinetuneParams, before: ShotSums, how: Strangers
) -> ShotSums:
    """Return the sums with those of a stranger's dialogues, at every K over 0 of `before`."""
    if how is Strangers.PROMPT:
        records = scored.of(name, params, "test", before.seeds, "stranger_prompt")
        zero = scored.of(name, params, "test", before.seeds, [0])
        longest = {k: longest_prompts(records, zero, k) for k in params.finetune.k if k}
        return stranger_sums(before, longest, in_prompt=True)
    records = scored.of(name, params, "test", before.seeds, "stranger")
    last = {k: params.finetune.at(k).epochs[-1] for k in before.tuned if k}
    by_k = {
        k: [record for record in records if (record.k, record.epoch) == (k, epoch)]
        for k, epoch in last.items()
    }
    return stranger_sums(before, by_k, in_prompt=False)


if __name__ == "__main__":
    console.run(shots)
